# Commands for people, in which $TENANT and $TAG are variables of the shell:
#
#     TENANT=octocat; eval "$(terraform output -raw kick_sync)"

output "store" {
  description = "CLOUDFOLIO_STORE for the operator's tool."
  value       = "s3://${local.bucket}"
}

output "bucket" {
  description = "The bucket's name."
  value       = aws_s3_bucket.store.id
}

output "repositories" {
  description = "Where each image is pushed to."
  value       = { for k, r in aws_ecr_repository.image : k => r.repository_url }
}

output "registry_login" {
  description = "Logs docker, podman or buildah in to the images' registry, for twelve hours."
  value       = "aws ecr get-login-password --region ${local.region} | $${ENGINE:-docker} login --username AWS --password-stdin ${split("/", aws_ecr_repository.image["sync"].repository_url)[0]}"
}

output "push_images" {
  description = "Pushes what `make images` built as $TAG."
  value = join(" && ", flatten([
    for k in sort(local.images) : [
      "$${ENGINE:-docker} tag \"cloudfolio/${k}:$TAG\" \"${aws_ecr_repository.image[k].repository_url}:$TAG\"",
      "$${ENGINE:-docker} push \"${aws_ecr_repository.image[k].repository_url}:$TAG\"",
    ]
  ]))
}

output "check_images" {
  description = "Fails when an image of $TAG isn't there; jobs would end with CannotPullContainerError."
  value = join(" && ", [
    for k in sort(local.images) :
    "aws ecr describe-images --region ${local.region} --repository-name ${var.name}/${k} --image-ids \"imageTag=$TAG\" --query \"imageDetails[].imageTags\" --output text"
  ])
}

output "operator_role" {
  description = "The role for people who run it: tenants, rollbacks, manual kicks, logs."
  value       = aws_iam_role.store["operator"].arn
}

output "become_operator" {
  description = "Takes the operator's role for an hour, in this shell."
  value       = "export AWS_REGION=${local.region} AWS_DEFAULT_REGION=${local.region} CLOUDFOLIO_STORE=s3://${local.bucket} $(aws sts assume-role --role-arn ${aws_iam_role.store["operator"].arn} --role-session-name \"$${USER:-operator}\" --query \"Credentials.[join('=',['AWS_ACCESS_KEY_ID',AccessKeyId]),join('=',['AWS_SECRET_ACCESS_KEY',SecretAccessKey]),join('=',['AWS_SESSION_TOKEN',SessionToken])]\" --output text)"
}

output "set_token" {
  description = "Stores the GitHub token in $GITHUB_TOKEN for $TENANT."
  value       = "aws ssm put-parameter --region ${local.region} --type SecureString --overwrite${var.token_key_arn == null ? "" : " --key-id ${var.token_key_arn}"} --name \"${replace(local.token_parameter, "{tenant}", "$TENANT")}\" --value \"$GITHUB_TOKEN\""
}

locals {
  kicks = {
    sync        = { queue = "cpu", command = "--tenant,$TENANT" }
    orchestrate = { queue = "cpu", command = "--tenant,$TENANT" }
    train       = { queue = "cpu", command = "--tenant,$TENANT" }
    train-gpu   = { queue = "gpu", command = "--tenant,$TENANT" }
    collect     = { queue = "cpu", command = "gc,--keep-runs,35" }
  }
  kick = {
    for job, k in local.kicks : job => join(" ", [
      "aws batch submit-job --region ${local.region}",
      "--job-name ${job == "collect" ? "collect" : "\"${job}-$TENANT\""}",
      "--job-queue ${var.name}-${k.queue}",
      "--job-definition ${aws_batch_job_definition.job[job].name}:${aws_batch_job_definition.job[job].revision}",
      "--share-identifier operator",
      "--container-overrides \"command=${k.command}\"",
    ])
  }
}

output "kick_sync" {
  description = "Syncs $TENANT now; the events carry it on to the model."
  value       = local.kick.sync
}

output "kick_orchestrate" {
  description = "Joins what was synced of $TENANT now."
  value       = local.kick.orchestrate
}

output "kick_train" {
  description = "Trains $TENANT's model on Fargate, whatever the request's dataset."
  value       = local.kick.train
}

output "kick_train_gpu" {
  description = "Trains $TENANT's model on a GPU instance."
  value       = local.kick["train-gpu"]
}

output "kick_collect" {
  description = "Deletes what no version needs any more, and run records after 35 days."
  value       = local.kick.collect
}

output "alarm_topic" {
  description = "The SNS topic of all alarms, to subscribe to."
  value       = aws_sns_topic.alarms.arn
}

output "dead_letters" {
  description = "The URL of the queue of events and schedules that couldn't submit their job."
  value       = aws_sqs_queue.dead_letters.url
}
