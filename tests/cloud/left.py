#!/usr/bin/env python3
"""Lists what an installation leaves in an account: left.py NAME. One line a thing; nothing when nothing is left."""
import sys

import boto3


def rows(client, operation, key, field, **arguments):
    for item in getattr(boto3.client(client), operation)(**arguments)[key]:
        yield item[field] if field else item


def everything(account):
    yield "bucket", rows("s3", "list_buckets", "Buckets", "Name")
    yield "repository", rows("ecr", "describe_repositories", "repositories", "repositoryName")
    yield "role", rows("iam", "list_roles", "Roles", "RoleName")
    yield "instance profile", rows("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName")
    yield "queue", rows("batch", "describe_job_queues", "jobQueues", "jobQueueName")
    yield "environment", rows("batch", "describe_compute_environments", "computeEnvironments", "computeEnvironmentName")
    yield "definition", rows("batch", "describe_job_definitions", "jobDefinitions", "jobDefinitionName", status="ACTIVE")
    yield "policy", rows("batch", "list_scheduling_policies", "schedulingPolicies", "arn")
    yield "rule", rows("events", "list_rules", "Rules", "Name")
    yield "schedule", rows("scheduler", "list_schedules", "Schedules", "Name")
    yield "schedule group", rows("scheduler", "list_schedule_groups", "ScheduleGroups", "Name")
    yield "state machine", rows("stepfunctions", "list_state_machines", "stateMachines", "name")
    yield "message queue", boto3.client("sqs").list_queues().get("QueueUrls", [])
    yield "topic", rows("sns", "list_topics", "Topics", "TopicArn")
    yield "log group", rows("logs", "describe_log_groups", "logGroups", "logGroupName")
    yield "log policy", rows("logs", "describe_resource_policies", "resourcePolicies", "policyName")
    yield "metric filter", rows("logs", "describe_metric_filters", "metricFilters", "filterName")
    yield "alarm", rows("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName")
    yield "dashboard", rows("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName")
    yield "budget", rows("budgets", "describe_budgets", "Budgets", "BudgetName", AccountId=account)
    yield "launch template", rows("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName")
    for kind, operation, key in [
        ("VPC", "describe_vpcs", "Vpcs"),
        ("subnet", "describe_subnets", "Subnets"),
        ("gateway", "describe_internet_gateways", "InternetGateways"),
        ("route table", "describe_route_tables", "RouteTables"),
        ("endpoint", "describe_vpc_endpoints", "VpcEndpoints"),
        ("security group", "describe_security_groups", "SecurityGroups"),
    ]:
        filters = [{"Name": "tag:cloudfolio", "Values": [sys.argv[1]]}]
        found = rows("ec2", operation, key, None, Filters=filters)
        yield kind, (str(x) for x in found if x.get("State") != "deleted")


def main():
    name = sys.argv[1]
    account = boto3.client("sts").get_caller_identity()["Account"]
    for kind, found in everything(account):
        for thing in found:
            if name in thing:
                print(f"{kind} {thing}")


main()
