from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0012_web_imports")]

    operations = [
        migrations.AlterField(
            model_name="prompttemplate",
            name="role",
            field=models.SlugField(
                help_text=(
                    "What the prompt is for: answer, keywords, summary, or a name of your own to try in"
                    " the playground."
                ),
                max_length=32,
                verbose_name="role",
            ),
        ),
    ]
