# CloudFolio on AWS: nothing here costs anything worth mentioning while nothing changes. README.md tells how to use it.
#
#   storage.tf   the bucket, the images' repositories     batch.tf     where jobs run     iam*.tf     who may do what
#   network.tf   a VPC, unless there is one               jobs.tf      what runs there    alarms.tf   what is reported
#   schedule.tf  what starts by the clock                 events.tf    what starts by a new version in the bucket

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  # Written out, so that policies are known before anything is created, and can be read in a plan.
  bucket     = "${var.name}-${local.account}-${local.region}"
  bucket_arn = "arn:${local.partition}:s3:::${local.bucket}"
  batch_arn  = "arn:${local.partition}:batch:${local.region}:${local.account}"
  logs_arn   = "arn:${local.partition}:logs:${local.region}:${local.account}"

  token_parameter = coalesce(var.token_parameter, "/${var.name}/tenants/{tenant}/github-token")
  token_arn       = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${replace(local.token_parameter, "{tenant}", "*")}"

  tags = merge(var.tags, { cloudfolio = var.name })
}
