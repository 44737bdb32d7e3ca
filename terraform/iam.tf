# Who may do what in the store: the table in docs/SECURITY.md, which a test compares with these policies.
#
# A * in a policy's resource matches slashes too, so tenants/*/repos/v/* alone would also match a foreign name inside
# another dataset, such as tenants/x/model/v/0/repos/v/0. That is what the denials are for.

locals {
  datasets = toset(["config", "repos", "bundle", "request", "request-gpu", "model", "checkpoint"])

  # reads: datasets, or a dataset's markers. creates: datasets to which versions with new blobs may be added. extends:
  # those to which only markers may be, which refer to blobs that are there. record: whose run records are written.
  access = {
    sync = {
      reads   = ["config", "repos"]
      creates = ["repos"]
      extends = []
      record  = "sync"
    }
    orchestrate = {
      reads   = ["config", "repos", "bundle", "request", "request-gpu", "model/v"]
      creates = ["bundle", "request", "request-gpu"]
      extends = []
      record  = "orchestrate"
    }
    train = {
      reads   = ["config", "bundle", "request", "request-gpu", "model", "checkpoint"]
      creates = ["model", "checkpoint"]
      extends = []
      record  = "train"
    }
    collector = {
      reads   = local.datasets
      creates = []
      extends = local.datasets # a collection raises the floor before it deletes below it
      record  = null
    }
    operator = {
      reads   = setunion(local.datasets, ["runs"])
      creates = ["config"]
      extends = setsubtract(local.datasets, ["config"]) # rollback
      record  = null
    }
  }

  # Only once and never again: a marker is put on condition that there is none of its name, and no role can leave the
  # condition away.
  only_new = { Null = { "s3:if-none-match" = "false" } }

  store_statements = {
    for role, a in local.access : role => [
      for statement in [
        {
          # On the whole bucket, since without it, or with a condition on the prefix, S3 answers 403 where nothing is.
          Sid      = "List"
          Effect   = "Allow"
          Action   = ["s3:ListBucket"]
          Resource = [local.bucket_arn]
        },
        {
          Sid    = "Read"
          Effect = "Allow"
          Action = ["s3:GetObject"]
          Resource = concat(
            ["${local.bucket_arn}/cloudfolio.json"],
            [for d in a.reads : "${local.bucket_arn}/tenants/*/${d}/*"],
            contains(["sync", "orchestrate"], role) ? [] : ["${local.bucket_arn}/shared/base-models/*"],
          )
        },
        {
          Sid       = "CreateVersions"
          Effect    = "Allow"
          Action    = ["s3:PutObject"]
          Resource  = [for d in concat(tolist(a.creates), tolist(a.extends)) : "${local.bucket_arn}/tenants/*/${d}/v/*"]
          Condition = local.only_new
        },
        {
          Sid      = "UploadBlobs"
          Effect   = "Allow"
          Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
          Resource = [for d in a.creates : "${local.bucket_arn}/tenants/*/${d}/b/*"]
        },
        {
          Sid      = "RecordRuns"
          Effect   = "Allow"
          Action   = ["s3:PutObject"]
          Resource = a.record == null ? [] : ["${local.bucket_arn}/tenants/*/runs/*/${a.record}-*.json"]
        },
        {
          Sid      = "NothingOfOthers"
          Effect   = "Deny"
          Action   = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"]
          Resource = a.record == null ? [] : [for d in setsubtract(local.datasets, a.creates) : "${local.bucket_arn}/tenants/*/${d}/*"]
        },
      ] : statement if length(statement.Resource) > 0
    ]
  }

  collector_statements = [
    {
      Sid       = "RaiseSharedFloors"
      Effect    = "Allow"
      Action    = ["s3:PutObject"]
      Resource  = ["${local.bucket_arn}/shared/base-models/v/*"]
      Condition = local.only_new
    },
    {
      Sid    = "Delete"
      Effect = "Allow"
      Action = ["s3:DeleteObject"]
      Resource = concat(
        [for d in local.datasets : "${local.bucket_arn}/tenants/*/${d}/v/*"],
        [for d in local.datasets : "${local.bucket_arn}/tenants/*/${d}/b/*"],
        ["${local.bucket_arn}/shared/base-models/v/*", "${local.bucket_arn}/shared/base-models/b/*"],
        ["${local.bucket_arn}/tenants/*/runs/*"],
      )
    },
  ]

  # tenant add, disable and set; rollback, which only adds markers; model import; doctor; and starting jobs by hand.
  operator_statements = [
    {
      Sid       = "ImportModels"
      Effect    = "Allow"
      Action    = ["s3:PutObject"]
      Resource  = ["${local.bucket_arn}/shared/base-models/v/*"]
      Condition = local.only_new
    },
    {
      Sid      = "UploadModels"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = ["${local.bucket_arn}/shared/base-models/b/*"]
    },
    {
      Sid      = "Probe"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = ["${local.bucket_arn}/probe/*"]
    },
    {
      # Written and taken away, never read.
      Sid      = "SetTokens"
      Effect   = "Allow"
      Action   = ["ssm:PutParameter", "ssm:DeleteParameter"]
      Resource = [local.token_arn]
    },
    {
      Sid    = "StartJobs"
      Effect = "Allow"
      Action = ["batch:SubmitJob"]
      Resource = concat(
        [for q in ["cpu", "gpu"] : "${local.batch_arn}:job-queue/${var.name}-${q}"],
        [for d in keys(local.jobs) : "${local.batch_arn}:job-definition/${var.name}-${d}"],
        [for d in keys(local.jobs) : "${local.batch_arn}:job-definition/${var.name}-${d}:*"],
      )
    },
    {
      Sid      = "SeeJobs"
      Effect   = "Allow"
      Action   = ["batch:DescribeJobs", "batch:ListJobs", "batch:DescribeJobQueues"]
      Resource = ["*"] # Batch knows no narrower one
    },
    {
      Sid      = "ReadLogs"
      Effect   = "Allow"
      Action   = ["logs:GetLogEvents", "logs:FilterLogEvents", "logs:DescribeLogStreams"]
      Resource = ["${local.logs_arn}:log-group:/${var.name}/*"]
    },
  ]

  token_statements = [
    {
      Sid      = "ReadTokens"
      Effect   = "Allow"
      Action   = ["ssm:GetParameter"]
      Resource = [local.token_arn]
    },
  ]

  # For tokens under a key of one's own; the account's key for parameters needs none of this.
  key_statements = {
    for role, actions in { sync = ["kms:Decrypt"], operator = ["kms:Encrypt", "kms:GenerateDataKey"] } : role => [
      for key in var.token_key_arn == null ? [] : [var.token_key_arn] : {
        Sid       = "TokenKey"
        Effect    = "Allow"
        Action    = actions
        Resource  = [key]
        Condition = { StringEquals = { "kms:ViaService" = "ssm.${local.region}.amazonaws.com" } }
      }
    ]
  }

  statements = {
    sync        = concat(local.store_statements.sync, local.token_statements, local.key_statements.sync)
    orchestrate = local.store_statements.orchestrate
    train       = local.store_statements.train
    collector   = concat(local.store_statements.collector, local.collector_statements)
    operator    = concat(local.store_statements.operator, local.operator_statements, local.key_statements.operator)
  }

  trust_tasks = {
    Sid       = "BatchJobsOfThisAccount"
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { Service = "ecs-tasks.amazonaws.com" }
    Condition = {
      StringEquals = { "aws:SourceAccount" = local.account }
      ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
    }
  }
  trust_people = {
    Sid       = "Operators"
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { AWS = length(var.operators) > 0 ? var.operators : ["arn:${local.partition}:iam::${local.account}:root"] }
  }
}

# sync, orchestrate, train and collector: what the containers of these jobs are. operator: for people.
resource "aws_iam_role" "store" {
  for_each    = local.access
  name        = "${var.name}-${each.key}"
  description = each.key == "operator" ? "CloudFolio: people who run it" : "CloudFolio: what ${each.key} may do"
  tags        = local.tags
  assume_role_policy = each.key == "operator" ? (
    jsonencode({ Version = "2012-10-17", Statement = [local.trust_people] })) : (
  jsonencode({ Version = "2012-10-17", Statement = [local.trust_tasks] }))
}

resource "aws_iam_role_policy" "store" {
  for_each = local.access
  name     = "store"
  role     = aws_iam_role.store[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })
}
