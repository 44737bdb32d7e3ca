# The bucket, which is all the state there is, and the images' repositories.

resource "aws_s3_bucket" "store" {
  bucket        = local.bucket
  force_destroy = var.delete_data
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# Versions are explicit in the contract: nothing is replaced but run records, and what the collector deletes would go on
# costing. No rule deletes by age below tenants/ or shared/, where old blobs belong to new versions; a rule can't say
# tenants/*/runs/ either, so run records are the collector's (schedule.tf).
resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {
      prefix = ""
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "probes-that-were-killed"
    status = "Enabled"
    filter {
      prefix = "probe/"
    }
    expiration {
      days = 1
    }
  }
}

resource "aws_s3_bucket_policy" "store" {
  count      = var.enforce_tls ? 1 : 0
  bucket     = aws_s3_bucket.store.id
  depends_on = [aws_s3_bucket_public_access_block.store]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# What `cloudfolio tenant add` writes into a new store once it has tried it. S3 is known to pass, and the schedule begins
# before the first tenant is added: a job may not make a store, and would end with 77 where there is none.
resource "aws_s3_object" "contract" {
  bucket       = aws_s3_bucket.store.id
  key          = "cloudfolio.json"
  content      = jsonencode({ conditional_create = true, contract = 1 })
  content_type = "application/json"
  depends_on   = [aws_s3_bucket_ownership_controls.store, aws_s3_bucket_server_side_encryption_configuration.store]

  lifecycle {
    ignore_changes = all # it is the store's
  }
}

resource "aws_s3_bucket_notification" "store" {
  bucket      = aws_s3_bucket.store.id
  eventbridge = true
}

locals {
  images = toset(["sync", "orchestrate", "train", "cloudfolio"])
}

resource "aws_ecr_repository" "image" {
  for_each             = local.images
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.delete_data
  tags                 = local.tags

  image_scanning_configuration {
    scan_on_push = true
  }
}

# Twenty releases to roll back to.
resource "aws_ecr_lifecycle_policy" "image" {
  for_each   = local.images
  repository = aws_ecr_repository.image[each.key].name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "the last 20"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 20 }
      action       = { type = "expire" }
    }]
  })
}
