# One page to look at. An account has three free; it shows what the jobs log and what AWS counts anyway.

locals {
  widgets = [
    {
      title   = "Runs that failed"
      metrics = [for j in ["sync", "orchestrate", "train"] : ["CloudFolio", "RunFailed", "job", j, { stat = "Sum" }]]
    },
    {
      title   = "Runs: seconds, the slowest"
      metrics = [for j in ["sync", "orchestrate", "train"] : ["CloudFolio", "RunSeconds", "job", j, { stat = "Maximum" }]]
    },
    {
      title = "Events: new versions, failed jobs, blocked queues"
      metrics = [
        for r in concat(keys(local.events), keys(local.troubles)) :
        ["AWS/Events", "TriggeredRules", "RuleName", "${var.name}-${r}", { stat = "Sum" }]
      ]
    },
    {
      title = "Syncs that succeeded, waits for GitHub, dead letters"
      metrics = [
        [var.name, "SyncSucceeded", { stat = "Sum" }],
        [var.name, "GitHubLimited", { stat = "Sum" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${var.name}-dead-letters", { stat = "Maximum" }],
      ]
    },
  ]

  queries = [
    {
      title = "Tenants: last run that succeeded"
      query = "SOURCE '/${var.name}/sync' | filter event = 'run_ended' and exit_status = 0 | stats max(@timestamp) as last by tenant | sort last asc"
    },
    {
      title = "Errors"
      query = join(" | ", concat(
        [for j in keys(local.jobs) : "SOURCE '/${var.name}/${j}'"],
        ["filter level = 'error'", "fields @timestamp, job, tenant, error, key", "sort @timestamp desc", "limit 50"],
      ))
    },
  ]
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [
        for i, w in local.widgets : {
          type = "metric", width = 12, height = 6, x = i % 2 * 12, y = floor(i / 2) * 6
          properties = {
            title = w.title, metrics = w.metrics, region = local.region, period = 3600, view = "timeSeries"
          }
        }
      ],
      [
        for i, q in local.queries : {
          type       = "log", width = 24, height = 6, x = 0, y = 12 + i * 6
          properties = { title = q.title, query = q.query, region = local.region, view = "table" }
        }
      ],
    )
  })
}
