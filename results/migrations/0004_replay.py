from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('results', '0003_delivery'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['mode', 'created_at', 'id'], name='event_in_order_of_time'),
        ),
    ]
