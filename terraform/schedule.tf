# What starts by the clock. The Scheduler calls Batch itself; calls that fail for a day end among the dead letters.

locals {
  schedules = {
    sync = {
      when    = var.schedule
      job     = "sync"
      shards  = var.sync_shards
      command = ["--all"]
      about   = "all tenants, from GitHub"
    }
    # A net below the events: it finds nothing to do unless one was lost.
    orchestrate = {
      when    = "cron(20 4 * * ? *)"
      job     = "orchestrate"
      shards  = 1
      command = ["--all"]
      about   = "all tenants, in case an event was lost"
    }
    collect = {
      when    = "cron(40 4 ? * SUN *)"
      job     = "collect"
      shards  = 1
      command = ["gc", "--keep-runs", "35"]
      about   = "deletes what no version needs any more, and run records after 35 days"
    }
  }
}

resource "aws_scheduler_schedule_group" "all" {
  name = var.name
  tags = local.tags
}

resource "aws_scheduler_schedule" "job" {
  for_each                     = local.schedules
  name                         = "${var.name}-${each.key}"
  group_name                   = aws_scheduler_schedule_group.all.name
  description                  = "CloudFolio: ${each.key}: ${each.value.about}"
  schedule_expression          = each.value.when
  schedule_expression_timezone = "UTC"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:batch:submitJob"
    role_arn = aws_iam_role.service["schedule"].arn

    # An array job has two parts at least; each takes its share of the tenants by AWS_BATCH_JOB_ARRAY_INDEX.
    input = jsonencode(merge(
      {
        JobName            = "${each.key}-schedule"
        JobQueue           = aws_batch_job_queue.cpu.arn
        JobDefinition      = aws_batch_job_definition.job[each.value.job].arn
        ShareIdentifier    = "schedule"
        ContainerOverrides = { Command = each.value.command }
      },
      { for n in [each.value.shards] : "ArrayProperties" => { Size = n } if n > 1 },
    ))

    retry_policy {
      maximum_event_age_in_seconds = 3600 # the next sync makes up for one that was missed
      maximum_retry_attempts       = 20
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }
}
