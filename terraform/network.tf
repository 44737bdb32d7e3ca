# Public subnets without NAT, which costs $32 a month idle; a container's own address costs while it runs. Nothing can
# come in. S3 goes through a gateway endpoint, which is free.

locals {
  own_network = var.network == null
  vpc_id      = local.own_network ? aws_vpc.own[0].id : var.network.vpc_id
  subnet_ids  = local.own_network ? aws_subnet.public[*].id : var.network.subnet_ids
  public_ip   = local.own_network ? true : var.network.public_ip
  zones       = local.own_network ? slice(data.aws_availability_zones.here[0].names, 0, min(3, length(data.aws_availability_zones.here[0].names))) : []
}

data "aws_availability_zones" "here" {
  count = local.own_network ? 1 : 0
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "own" {
  count                = local.own_network ? 1 : 0
  cidr_block           = "10.42.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = var.name })
}

# The VPC's own group admits its members to each other; here it admits nobody.
resource "aws_default_security_group" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = local.tags
}

resource "aws_internet_gateway" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = merge(local.tags, { Name = var.name })
}

resource "aws_subnet" "public" {
  count                   = length(local.zones)
  vpc_id                  = aws_vpc.own[0].id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(aws_vpc.own[0].cidr_block, 4, count.index)
  map_public_ip_on_launch = true # GPU instances must reach ECS; Fargate asks for itself
  tags                    = merge(local.tags, { Name = "${var.name}-${local.zones[count.index]}" })
}

resource "aws_route_table" "public" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = merge(local.tags, { Name = var.name })
}

resource "aws_route" "internet" {
  count                  = local.own_network ? 1 : 0
  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.own[0].id
}

resource "aws_route_table_association" "public" {
  count          = length(local.zones)
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_vpc_endpoint" "s3" {
  count             = local.own_network ? 1 : 0
  vpc_id            = aws_vpc.own[0].id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public[0].id]
  tags              = merge(local.tags, { Name = "${var.name}-s3" })

  # What a container may reach through it, whatever keys it holds: the store, and the layers of images.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Store"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      },
      {
        Sid       = "ImageLayers"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource  = "arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"
      }
    ]
  })
}

resource "aws_security_group" "jobs" {
  name_prefix = "${var.name}-jobs-"
  description = "CloudFolio's jobs: nothing in, https out"
  vpc_id      = local.vpc_id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.jobs.id
  description       = "GitHub and AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}
