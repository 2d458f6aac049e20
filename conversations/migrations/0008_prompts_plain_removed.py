from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("conversations", "0007_prompts_packed")]

    operations = [migrations.RemoveField(model_name="provenance", name="rendered_prompt")]
