# Where jobs run. The queue cpu is on Fargate, Spot first; gpu on instances that exist only while a job runs.

locals {
  # Batch tries the first environment, and the next one when the first is full or has no capacity.
  fargate = {
    "fargate-spot" = { type = "FARGATE_SPOT", order = 1 }
    "fargate"      = { type = "FARGATE", order = 2 }
  }
  gpu = {
    "gpu-spot" = { type = "SPOT", order = 1, strategy = "SPOT_PRICE_CAPACITY_OPTIMIZED" }
    "gpu"      = { type = "EC2", order = 2, strategy = "BEST_FIT_PROGRESSIVE" }
  }
}

# No service role is named, so that Batch uses its service-linked one: only then can environments be updated in place.
resource "aws_batch_compute_environment" "fargate" {
  for_each                        = local.fargate
  compute_environment_name_prefix = "${var.name}-${each.key}-"
  type                            = "MANAGED"
  tags                            = local.tags

  compute_resources {
    type               = each.value.type
    max_vcpus          = var.max_vcpus
    subnets            = local.subnet_ids
    security_group_ids = [aws_security_group.jobs.id]
  }

  # One in use can't be deleted: the new one is made, the queue changed over, then the old one goes.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_batch_compute_environment" "gpu" {
  for_each                        = local.gpu
  compute_environment_name_prefix = "${var.name}-${each.key}-"
  type                            = "MANAGED"
  tags                            = local.tags
  depends_on                      = [aws_iam_role_policy_attachment.instance]

  compute_resources {
    type                = each.value.type
    allocation_strategy = each.value.strategy
    instance_type       = var.gpu_instance_types
    instance_role       = aws_iam_instance_profile.instance.arn
    min_vcpus           = 0
    max_vcpus           = var.gpu_max_vcpus
    subnets             = local.subnet_ids
    security_group_ids  = [aws_security_group.jobs.id]
    tags                = merge(local.tags, { Name = "${var.name}-${each.key}" })

    ec2_configuration {
      image_type = "ECS_AL2023_NVIDIA"
    }

    launch_template {
      launch_template_id = aws_launch_template.gpu.id
      version            = "$Latest"
    }
  }

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [compute_resources[0].desired_vcpus] # Batch's own
  }
}

resource "aws_launch_template" "gpu" {
  name_prefix            = "${var.name}-gpu-"
  description            = "CloudFolio: GPU instances"
  update_default_version = true
  tags                   = local.tags

  # A hop limit of 1 keeps the instance's own role out of the containers' reach.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 60
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

# A job's share is its tenant (events.tf), or schedule, or operator. Batch runs next whose share used least lately, and
# keeps a fifth free while one share alone is active, so that one tenant can't take all.
resource "aws_batch_scheduling_policy" "fair" {
  name = "${var.name}-fair"
  tags = local.tags

  fair_share_policy {
    compute_reservation = 20
    share_decay_seconds = 3600

    # A tenth of the weight is ten times the share: the schedule works for all, and people wait for theirs.
    share_distribution {
      share_identifier = "schedule"
      weight_factor    = 0.1
    }
    share_distribution {
      share_identifier = "operator"
      weight_factor    = 0.1
    }
  }
}

resource "aws_batch_job_queue" "cpu" {
  name                  = "${var.name}-cpu"
  state                 = "ENABLED"
  priority              = 1
  scheduling_policy_arn = aws_batch_scheduling_policy.fair.arn
  tags                  = local.tags

  dynamic "compute_environment_order" {
    for_each = local.fargate
    content {
      order               = compute_environment_order.value.order
      compute_environment = aws_batch_compute_environment.fargate[compute_environment_order.key].arn
    }
  }
}

resource "aws_batch_job_queue" "gpu" {
  name                  = "${var.name}-gpu"
  state                 = "ENABLED"
  priority              = 1
  scheduling_policy_arn = aws_batch_scheduling_policy.fair.arn
  tags                  = local.tags

  dynamic "compute_environment_order" {
    for_each = local.gpu
    content {
      order               = compute_environment_order.value.order
      compute_environment = aws_batch_compute_environment.gpu[compute_environment_order.key].arn
    }
  }

  # A training waits a day for capacity, and ten minutes for what will never come. The alarm is earlier (alarms.tf).
  job_state_time_limit_action {
    action           = "CANCEL"
    state            = "RUNNABLE"
    reason           = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    max_time_seconds = 86400
  }
  job_state_time_limit_action {
    action           = "CANCEL"
    state            = "RUNNABLE"
    reason           = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
    max_time_seconds = 600
  }
  job_state_time_limit_action {
    action           = "CANCEL"
    state            = "RUNNABLE"
    reason           = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
    max_time_seconds = 600
  }
}
