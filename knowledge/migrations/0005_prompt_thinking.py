import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('knowledge', '0004_label_sets'),
    ]

    operations = [
        migrations.AddField(
            model_name='promptversion',
            name='thinking_tokens',
            field=models.PositiveIntegerField(default=0, help_text='How many tokens the model may spend on thinking before it answers; 0: none. It takes time before the first word; customers never see what was thought.', validators=[django.core.validators.MaxValueValidator(1024)], verbose_name='think first, tokens'),
        ),
    ]
