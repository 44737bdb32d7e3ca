# What can be chosen. Only image_tag has no default.

variable "name" {
  description = "Begins the name of everything that is created, so that several installations can share an account."
  type        = string
  default     = "cloudfolio"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must have 2 to 20 of a-z, 0-9 and single hyphens between them, and begin with a letter."
  }
}

variable "image_tag" {
  description = "The tag of the images that the jobs run, such as v1.4.0. An earlier one rolls back."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag))
    error_message = "image_tag must have 1 to 128 of letters, digits, '_', '.' and '-', and not begin with '.' or '-'."
  }

  validation {
    condition     = var.image_tag != "latest"
    error_message = "image_tag can't be \"latest\": tags are immutable, so that a rollback gets what it asks for."
  }
}

variable "schedule" {
  description = "When all tenants are synced: rate(30 minutes), or cron(0/30 * * * ? *) in UTC."
  type        = string
  default     = "rate(30 minutes)"

  validation {
    condition     = can(regex("^(rate\\(([1-9][0-9]*) (minutes?|hours?|days?)\\)|cron\\([^()]+\\))$", var.schedule))
    error_message = "schedule must be rate(30 minutes), rate(6 hours), rate(1 day), or cron(…) with six fields."
  }

  validation {
    condition     = !can(regex("^cron", var.schedule)) || length(split(" ", trimspace(trimsuffix(trimprefix(var.schedule, "cron("), ")")))) == 6
    error_message = "schedule: cron(…) has six fields: minutes, hours, day of month, month, day of week, year."
  }

  validation {
    condition     = !can(regex("^rate\\([1-4] minutes?\\)$", var.schedule))
    error_message = "schedule: less than 5 minutes is shorter than a container takes to start and sync."
  }
}

variable "sync_shards" {
  description = "Into how many jobs a sync of all tenants is divided; each works on 16 tenants at once."
  type        = number
  default     = 1

  validation {
    condition     = var.sync_shards >= 1 && var.sync_shards <= 10000 && floor(var.sync_shards) == var.sync_shards
    error_message = "sync_shards must be a whole number from 1 to 10000, Batch's limit for an array job."
  }
}

variable "token_parameter" {
  description = "The name of the SSM parameter that holds a tenant's GitHub token; {tenant} stands for the tenant. Without a value it is /<name>/tenants/{tenant}/github-token."
  type        = string
  default     = null

  validation {
    condition     = var.token_parameter == null || (can(regex("^(/[A-Za-z0-9_.{}-]+)+$", var.token_parameter)) && length(regexall("\\{tenant\\}", coalesce(var.token_parameter, "-"))) == 1 && length(regexall("[{}]", coalesce(var.token_parameter, "-"))) == 2)
    error_message = "token_parameter must be a path that begins with '/' and has {tenant} in it once, such as /cloudfolio/tenants/{tenant}/github-token."
  }

  validation {
    condition     = var.token_parameter == null || !can(regex("^/(aws|ssm)", lower(coalesce(var.token_parameter, "-"))))
    error_message = "token_parameter can't begin with /aws or /ssm: Systems Manager keeps these for itself."
  }
}

variable "token_key_arn" {
  description = "The KMS key that encrypts the tokens, when it isn't the account's own key for parameters."
  type        = string
  default     = null

  validation {
    condition     = var.token_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.token_key_arn))
    error_message = "token_key_arn must be the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "max_vcpus" {
  description = "How many vCPUs of Fargate may run at once, of Spot and on demand each: the bound on what a flood of work costs."
  type        = number
  default     = 16

  validation {
    condition     = var.max_vcpus >= 1 && var.max_vcpus <= 4000 && floor(var.max_vcpus) == var.max_vcpus
    error_message = "max_vcpus must be a whole number from 1 to 4000."
  }
}

variable "gpu_instance_types" {
  description = "Instance types with a GPU for the trainings that are too large for Fargate. All need 4 vCPUs and 14 GB or more."
  type        = list(string)
  default     = ["g6.xlarge", "g5.xlarge"]

  validation {
    condition     = length(var.gpu_instance_types) >= 1 && alltrue([for t in var.gpu_instance_types : can(regex("^(g4dn|g5|g6|g6e|p4d|p4de|p5)\\.([0-9]+)?xlarge$", t))])
    error_message = "gpu_instance_types must be types of the families g4dn, g5, g6, g6e, p4d, p4de or p5, such as g6.xlarge."
  }
}

variable "gpu_max_vcpus" {
  description = "How many vCPUs of GPU instances may run at once, of Spot and on demand each. There are none while nothing trains."
  type        = number
  default     = 8

  validation {
    condition     = var.gpu_max_vcpus >= 4 && var.gpu_max_vcpus <= 1000 && floor(var.gpu_max_vcpus) == var.gpu_max_vcpus
    error_message = "gpu_max_vcpus must be a whole number from 4 to 1000; 4 is one small instance."
  }
}

variable "network" {
  description = "An existing VPC to run in, instead of one made here. Its subnets need a way to GitHub and to AWS: public_ip in public ones, else NAT or endpoints."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
    public_ip  = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.network == null || can(regex("^vpc-[0-9a-f]{8,17}$", var.network.vpc_id))
    error_message = "network.vpc_id must be the id of a VPC, vpc-0123456789abcdef0."
  }

  validation {
    condition     = var.network == null || try(length(var.network.subnet_ids) >= 1 && alltrue([for s in var.network.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", s))]), false)
    error_message = "network.subnet_ids must be one or more ids of subnets, subnet-0123456789abcdef0."
  }
}

variable "alarm_email" {
  description = "Where alarms and the budget's warnings go. AWS sends a letter first, whose link must be followed."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.alarm_email))
    error_message = "alarm_email must be one e-mail address."
  }
}

variable "watched_tenants" {
  description = "Tenants that each get an alarm of their own when no sync of theirs succeeded for 24 hours. An alarm costs $0.10 a month."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for t in var.watched_tenants : can(regex("^[a-z0-9]([a-z0-9_-]{0,37}[a-z0-9])?$", t))])
    error_message = "watched_tenants must be GitHub logins in lower case."
  }
}

variable "budget" {
  description = "US dollars that the account may cost a month before a warning comes, at 80 % as forecast and at 100 % as spent."
  type        = number
  default     = 10

  validation {
    condition     = var.budget >= 1 && var.budget <= 1000000
    error_message = "budget must be from 1 to 1000000 US dollars a month."
  }
}

variable "log_days" {
  description = "For how many days logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days must be one of those that CloudWatch has: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "operators" {
  description = "ARNs of the users and roles that may take the operator's role. Without any, those of this account to whom their own policies allow it."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.operators : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/[A-Za-z0-9_+=,.@/-]+$", a))])
    error_message = "operators must be ARNs of IAM users or roles, arn:aws:iam::ACCOUNT:role/NAME."
  }
}

variable "environment" {
  description = "More variables for all jobs, such as GITHUB_API_URL or CLOUDFOLIO_GPU_WORK. Not for secrets: they can be read in the console."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for k in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", k))])
    error_message = "environment: names of variables have A-Z, 0-9 and '_', and begin with a letter."
  }

  validation {
    condition     = length(setintersection(keys(var.environment), ["CLOUDFOLIO_STORE", "CLOUDFOLIO_GITHUB_TOKENS", "CLOUDFOLIO_TENANT", "CLOUDFOLIO_ALL", "CLOUDFOLIO_SHARD", "CLOUDFOLIO_EVENT"])) == 0
    error_message = "environment: CLOUDFOLIO_STORE and CLOUDFOLIO_GITHUB_TOKENS are set here already, and what a job works on is chosen when it is submitted."
  }

  validation {
    condition     = alltrue([for k in keys(var.environment) : !can(regex("TOKEN$|SECRET|PASSWORD|^AWS_ACCESS_KEY_ID$", k))])
    error_message = "environment: tokens and keys don't belong here, where they can be read in the console; see token_parameter."
  }
}

variable "enforce_tls" {
  description = "Whether the bucket refuses plain http. False only for emulators, which don't understand the condition."
  type        = bool
  default     = true
}

variable "delete_data" {
  description = "Whether destroying also deletes what is in the bucket and the images. Apply it first, then destroy."
  type        = bool
  default     = false
}

variable "tags" {
  description = "More tags for everything."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for k in keys(var.tags) : !startswith(lower(k), "aws:")]) && length(var.tags) <= 40
    error_message = "tags: at most 40, and AWS keeps names that begin with aws: for itself."
  }
}
