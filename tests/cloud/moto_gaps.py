#!/usr/bin/env python3
"""moto_server with what it lacks for this installation of AWS, for tests only:

  S3         says that a bucket's events go to EventBridge, when it is asked
  Budgets    says who is told
  EC2        launch templates whose own tags aren't the instances'
  IAM        for S3: conditions on If-None-Match, deletions of many keys, no check of signatures; parameters by name
  Batch      environments without a service role; time limits of queues; priorities; shares, which queues with a policy of
             fair shares demand; retries by exit codes; AWS_BATCH_JOB_ATTEMPT, _ARRAY_INDEX and _ARRAY_SIZE; user, read-only
             root and the role's credentials in containers, and SIGTERM before SIGKILL
  States     Express machines, checks of definitions, and runs of those that consist of tasks for Batch and SQS
  Events     a rule's target may be a state machine, under the target's own role and the machine's own

Arguments are moto_server's. Written for moto 5.2.
"""
import datetime
import fnmatch
import hashlib
import json
import re
import sys
import threading

from moto.batch import batch_backends
from moto.batch.exceptions import ClientException
from moto.batch.models import BatchBackend, Job, JobDefinition, JobQueue
from moto.batch.responses import BatchResponse
from moto.budgets.responses import BudgetsResponse
from moto.ec2.models.launch_templates import LaunchTemplateBackend
from moto.events.models import Rule
from moto.iam import iam_backends
from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, PermissionResult, S3IAMRequest
from moto.s3.responses import S3Response
from moto.sqs import sqs_backends
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.stepfunctions import stepfunctions_backends
from moto.stepfunctions.responses import StepFunctionResponse
from moto.sts import sts_backends


def replace(owner, name):
    """Puts the decorated function, whose first argument is the old one, in the place of owner.name."""

    def decorate(new):
        old = getattr(owner, name, None)
        setattr(owner, name, lambda *args, **kwargs: new(old, *args, **kwargs))
        return new

    return decorate


# --- S3, Budgets and EC2 ----------------------------------------------------------------------------


@replace(S3Response, "get_bucket_notification")
def get_bucket_notification(old, self):
    config = self.backend.get_bucket_notification_configuration(self.bucket_name)
    if config is None or config.event_bridge is None:
        return old(self)
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    inner = "<EventBridgeConfiguration/>"
    return 200, {}, f'<NotificationConfiguration xmlns="{xmlns}">{inner}</NotificationConfiguration>'


@replace(BudgetsResponse, "describe_subscribers_for_notification")
def describe_subscribers(_, self):
    budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
    wanted = self._get_param("Notification")
    keys = ("NotificationType", "ComparisonOperator", "Threshold")
    for notification in budget.notifications:
        if all(notification.details.get(k) == wanted.get(k) for k in keys):
            return json.dumps({"Subscribers": notification.subscribers})
    return json.dumps({"Subscribers": []})


@replace(BudgetsResponse, "create_budget")
def create_budget(old, self):
    answer = old(self)
    budget = self._get_param("Budget")
    kept = self.backend.budgets[self._get_param("AccountId")][budget["BudgetName"]]
    kept.tags = self._get_param("ResourceTags", [])
    return answer


@replace(BudgetsResponse, "list_tags_for_resource")
def list_budget_tags(_, self):
    name = self._get_param("ResourceARN").rpartition("/")[2]
    for budgets in self.backend.budgets.values():
        if name in budgets:
            return json.dumps({"ResourceTags": getattr(budgets[name], "tags", [])})
    return json.dumps({"ResourceTags": []})


@replace(LaunchTemplateBackend, "create_launch_template")
def create_launch_template(old, self, name, description, data, tags):
    """The template's own tags are none of the instances'."""
    specifications = data.pop("TagSpecifications", [])
    kept = [s for s in specifications if s["ResourceType"] != "launch-template"]
    if kept:
        data["TagSpecifications"] = kept
    return old(self, name, description, data, tags)


# --- IAM, when it is turned on (POST /moto-api/reset-auth) ------------------------------------------------

request = threading.local()


@replace(S3IAMRequest, "check_signature")
def check_s3_signature(_, self):
    """Who asks is told by the key; signatures of LISTs are computed otherwise by moto than by everybody else."""


@replace(S3Response, "_authenticate_and_authorize_s3_action")
def authorize_s3(old, self, bucket_name=None, key_name=None):
    """A deletion of many keys is one of each. Conditions see the headers."""
    request.keys = {"s3:if-none-match"} if "If-None-Match" in self.headers else set()
    if key_name is None and self.data.get("Action") == "DeleteObject":
        for key in re.findall("<Key>([^<]+)</Key>", self.body.decode()):
            old(self, bucket_name=bucket_name, key_name=key)
    else:
        old(self, bucket_name=bucket_name, key_name=key_name)


@replace(SimpleSystemManagerResponse, "_determine_resource")
def determine_parameter(_, self):
    """Permissions for a single parameter are by its name; moto would ask for them on everything."""
    name = self._get_param("Name")
    return f"arn:aws:ssm:{self.region}:{self.current_account}:parameter{name}" if name else "*"


@replace(IAMPolicyStatement, "is_action_permitted")
def is_action_permitted(old, self, *args, **kwargs):
    """A statement whose condition on a header doesn't hold says nothing; moto would take it for a denial."""
    condition = self._statement.get("Condition", {})
    if set(condition) == {"Null"}:
        present = getattr(request, "keys", set())
        if any((key in present) == (value == "true") for key, value in condition["Null"].items()):
            return PermissionResult.NEUTRAL
        self._statement = {k: v for k, v in self._statement.items() if k != "Condition"}
    return old(self, *args, **kwargs)


# --- Batch ------------------------------------------------------------------------------------------

service_role_lock = threading.Lock()


@replace(BatchBackend, "create_compute_environment")
def create_compute_environment(old, self, *args, **kwargs):
    """Without a service role Batch uses its service-linked one, which it creates."""
    if not kwargs.get("service_role"):
        backend = iam_backends[self.account_id]["aws"]
        with service_role_lock:
            named = [r for r in backend.roles.values() if r.name.lower() == "awsserviceroleforbatch"]
            if not named:
                named = [backend.create_service_linked_role("batch.amazonaws.com", "", "")]
        kwargs["service_role"] = named[0].arn
    return old(self, *args, **kwargs)


@replace(BatchResponse, "createjobqueue")
def create_job_queue(old, self):
    answer = old(self)
    queue = self.batch_backend.get_job_queue(json.loads(answer)["jobQueueArn"])
    queue.limits = self._get_param("jobStateTimeLimitActions") or []
    return answer


@replace(BatchResponse, "updatejobqueue")
def update_job_queue(old, self):
    answer = old(self)
    limits = self._get_param("jobStateTimeLimitActions")
    if limits is not None:
        self.batch_backend.get_job_queue(json.loads(answer)["jobQueueArn"]).limits = limits
    return answer


@replace(JobQueue, "describe")
def describe_job_queue(old, self):
    return {**old(self), "jobStateTimeLimitActions": getattr(self, "limits", [])}


@replace(BatchResponse, "registerjobdefinition")
def register_job_definition(old, self):
    answer = old(self)
    definition = self.batch_backend.get_job_definition(json.loads(answer)["jobDefinitionArn"])
    definition.priority = self._get_param("schedulingPriority")
    return answer


@replace(JobDefinition, "describe")
def describe_job_definition(old, self):
    priority = getattr(self, "priority", None)
    return {**old(self), **({} if priority is None else {"schedulingPriority": priority})}


def check_share(queue, share):
    """What SubmitJob demands: a share exactly where there is a policy, made of letters and digits."""
    if queue.schedule_policy and not share:
        raise ClientException("shareIdentifier must be specified.")
    if not queue.schedule_policy and share:
        raise ClientException("shareIdentifier is for queues with a scheduling policy.")
    if share and not re.fullmatch("[A-Za-z0-9]{1,255}", share):
        raise ClientException(f"shareIdentifier {share} is not alphanumeric.")


@replace(BatchBackend, "submit_job")
def submit_job(old, self, job_name, job_def_id, job_queue, *args, share=None, **kwargs):
    queue = self.get_job_queue(job_queue)
    if queue is not None and share is not False:
        check_share(queue, share)
    name, job_id, arn = old(self, job_name, job_def_id, job_queue, *args, **kwargs)
    self._jobs[job_id].share = share
    return name, job_id, arn


@replace(BatchResponse, "submitjob")
def api_submit_job(old, self):
    queue = self.batch_backend.get_job_queue(self._get_param("jobQueue"))
    share = self._get_param("shareIdentifier")
    if queue is not None:
        check_share(queue, share)
    backend_submit = self.batch_backend.submit_job
    self.batch_backend.submit_job = lambda *a, **k: backend_submit(*a, share=share, **k)
    try:
        return old(self)
    finally:
        del self.batch_backend.submit_job


@replace(Job, "describe_short")
def describe_job(old, self):
    share = getattr(self, "share", None)
    return {**old(self), **({"shareIdentifier": share} if share else {})}


@replace(Job, "_get_container_property")
def container_property(old, self, name, default):
    value = old(self, name, default)
    if name != "environment":
        return value
    ours = {"AWS_BATCH_JOB_ATTEMPT": str(len(self.attempts) + 1)}
    index = self.array_properties.get("index")
    if index is not None:
        parent = self.all_jobs[self.job_id.rpartition(":")[0]]
        ours["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        ours["AWS_BATCH_JOB_ARRAY_SIZE"] = str(parent.array_properties["size"])
    rest = [e for e in value if e["name"] not in ours]
    return rest + [{"name": k, "value": v} for k, v in ours.items()]


def is_tried_again(job):
    """As Batch has it: the first rule that matches decides, and what matches none is tried again."""
    strategy = job.job_definition.retry_strategy or {}
    if job.stop or len(job.attempts) >= strategy.get("attempts", 1):
        return False
    for rule in strategy.get("evaluateOnExit", []):
        code = rule.get("onExitCode")
        if code is not None and not fnmatch.fnmatchcase(str(job.exit_code), code):
            continue
        if rule.get("onStatusReason") is not None:  # hosts are never lost here
            continue
        return rule["action"].upper() == "RETRY"
    return True


@replace(Job, "_mark_stopped")
def mark_stopped(old, self, success=True):
    if self.job_stopped or success or not is_tried_again(self):
        old(self, success)
        return
    self.again = self.job_stopped = True
    self.job_stopped_at = datetime.datetime.now()
    self.status = "RUNNABLE"
    self._stop_attempt()


@replace(Job, "_stop_attempt")
def stop_attempt(old, self):
    old(self)
    if self.latest_attempt and self.exit_code is not None:
        self.latest_attempt["container"]["exitCode"] = self.exit_code


@replace(Job, "run")
def run_attempts(old, self):
    while True:
        self.again = False
        old(self)
        if not self.again:
            return
        self.job_stopped, self.exit_code, self.status = False, None, "SUBMITTED"


@replace(Job, "describe")
def describe_exit_code(old, self):
    result = old(self)
    if self.job_stopped and self.exit_code is not None and "container" in result:
        result["container"]["exitCode"] = self.exit_code
    return result


def role_credentials(account, region, role_arn):
    role = sts_backends[account]["aws"].assume_role(
        region_name=region,
        role_session_name="batch",
        role_arn=role_arn,
        policy=None,
        duration=3600,
        external_id=None,
    )
    return {
        "AWS_ACCESS_KEY_ID": role.access_key_id,
        "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
        "AWS_SESSION_TOKEN": role.session_token,
    }


def patch_docker():
    """A job's thread is the job, so what a container is made of can be completed where docker is told to run it."""
    try:
        from docker.models.containers import Container, ContainerCollection
    except ImportError:
        return

    @replace(ContainerCollection, "run")
    def run(old, self, *args, **kwargs):
        job = threading.current_thread()
        properties = getattr(getattr(job, "job_definition", None), "container_properties", None)
        if properties:
            kwargs["user"] = properties.get("user", "")
            kwargs["read_only"] = properties.get("readonlyRootFilesystem", False)
            role = properties.get("jobRoleArn")
            if role and "AWS_ACCESS_KEY_ID" not in kwargs["environment"]:
                backend = job.backend
                kwargs["environment"].update(
                    role_credentials(backend.account_id, backend.region_name, role)
                )
        return old(self, *args, **kwargs)

    @replace(Container, "kill")
    def kill(old, self, signal=None):
        """A job that is terminated gets SIGTERM, and SIGKILL only 30 s later."""
        if signal is None and isinstance(threading.current_thread(), Job):
            return self.stop(timeout=30)
        return old(self, signal)


# --- Step Functions: JSONata as far as it is used here ---------------------------------------------------


class Expression:
    """'literal', numbers, $states.input.x[0], &, $split, $substring, $hash."""

    TOKEN = re.compile(r"\s*('(?:[^']*)'|\d+|\$?[A-Za-z_][A-Za-z0-9_]*|[&.,()\[\]])")
    FUNCTIONS = {
        "$split": lambda text, by: text.split(by),
        "$substring": lambda text, start, length: text[start : start + length],
        "$hash": lambda text, name: hashlib.new(name.replace("-", "").lower(), text.encode()).hexdigest(),
    }

    def __init__(self, text, states):
        self.states = states
        self.tokens = []
        position = 0
        while position < len(text.rstrip()):
            match = self.TOKEN.match(text, position)
            if not match:
                raise ValueError(f"JSONata that isn't known here: {text[position:]}")
            self.tokens.append(match.group(1))
            position = match.end()

    def take(self, wanted=None):
        token = self.tokens.pop(0) if self.tokens else None
        if token is None or (wanted and token != wanted):
            raise ValueError(f"JSONata: {wanted or 'something'} is missing")
        return token

    def value(self):
        value = self.operand()
        while self.tokens and self.tokens[0] == "&":
            self.take()
            value = str(value) + str(self.operand())
        return value

    def operand(self):
        token = self.take()
        if token.startswith("'"):
            value = token[1:-1]
        elif token.isdigit():
            value = int(token)
        elif token == "$states":
            value = self.states
        else:
            function = self.FUNCTIONS[token]
            self.take("(")
            arguments = [self.value()]
            while self.tokens[0] == ",":
                self.take()
                arguments.append(self.value())
            self.take(")")
            value = function(*arguments)
        while self.tokens and self.tokens[0] in ".[":
            if self.take() == ".":
                value = value[self.take()]
            else:
                value = value[int(self.take())]
                self.take("]")
        return value


def evaluate(template, states):
    if isinstance(template, dict):
        return {k: evaluate(v, states) for k, v in template.items()}
    if isinstance(template, list):
        return [evaluate(v, states) for v in template]
    if isinstance(template, str) and template.startswith("{%") and template.endswith("%}"):
        expression = Expression(template[2:-2], states)
        value = expression.value()
        if expression.tokens:
            raise ValueError(f"JSONata that isn't known here: {template}")
        return value
    return template


def lower_first(value):
    if isinstance(value, dict):
        return {k[:1].lower() + k[1:]: lower_first(v) for k, v in value.items()}
    if isinstance(value, list):
        return [lower_first(v) for v in value]
    return value


class Denied(Exception):
    pass


def require(account, role_arn, action, resource):
    """The role's own policies must allow it; conditions aren't looked at."""
    backend = iam_backends[account]["aws"]
    role = backend.get_role_by_arn(role_arn)
    results = [
        IAMPolicy(document).is_action_permitted(action, resource) for document in role.policies.values()
    ]
    if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
        raise Denied(f"{role_arn} may not {action} on {resource}")


def task_submit(account, region, role_arn, arguments):
    backend = batch_backends[account][region]
    call = lower_first(arguments)
    queue = backend.get_job_queue(call["jobQueue"])
    definition = backend.get_job_definition(call["jobDefinition"])
    if queue is None or definition is None or definition.status != "ACTIVE":
        raise ClientException("there is no such queue, or no such active definition")
    require(account, role_arn, "batch:SubmitJob", queue.arn)
    require(account, role_arn, "batch:SubmitJob", definition.arn)
    _, job_id, _ = backend.submit_job(
        call["jobName"],
        call["jobDefinition"],
        call["jobQueue"],
        call.get("arrayProperties", {}),
        container_overrides=call.get("containerOverrides"),
        parameters=call.get("parameters"),
        share=call.get("shareIdentifier"),
    )
    return {"JobId": job_id}


def task_send(account, region, role_arn, arguments):
    name = arguments["QueueUrl"].rpartition("/")[2]
    backend = sqs_backends[account][region]
    require(account, role_arn, "sqs:SendMessage", backend.get_queue(name).queue_arn)
    body = arguments["MessageBody"]
    backend.send_message(queue_name=name, message_body=body if isinstance(body, str) else json.dumps(body))
    return {}


TASKS = {"batch:submitJob": task_submit, "sqs:sendMessage": task_send}


def run_machine(machine, account, region, given):
    """One run, without the waits of Retry. Returns the last state's output."""
    definition = json.loads(machine.definition)
    name = definition["StartAt"]
    while True:
        state = definition["States"][name]
        task = TASKS[state["Resource"].rpartition(":::")[2]]
        try:
            arguments = evaluate(state["Arguments"], {"input": given})
            given = task(account, region, machine.roleArn, arguments)
        except Exception as error:  # whatever went wrong is what Catch is for
            if not state.get("Catch"):
                raise
            failure = {"Error": type(error).__name__, "Cause": str(getattr(error, "message", error))}
            handler = state["Catch"][0]
            given = evaluate(handler["Output"], {"input": given, "errorOutput": failure})
            name = handler["Next"]
            continue
        if state.get("End"):
            return given
        name = state["Next"]


@replace(StepFunctionResponse, "validate_state_machine_definition")
def validate_definition(_, self):
    problems = []
    try:
        definition = json.loads(self._get_param("definition"))
        states = definition["States"]
        for state in states.values():
            following = [state.get("Next")] + [c["Next"] for c in state.get("Catch", [])]
            problems += [f"{n} is no state" for n in following if n and n not in states]
            if state.get("Resource", "").rpartition(":::")[2] not in TASKS:
                problems.append(f"{state.get('Resource')} is not known here")
    except (ValueError, KeyError, TypeError) as error:
        problems.append(f"not a definition: {error!r}")
    diagnostics = [{"severity": "ERROR", "code": "INVALID", "message": p} for p in problems]
    return json.dumps({"result": "FAIL" if problems else "OK", "diagnostics": diagnostics, "truncated": False})


@replace(StepFunctionResponse, "create_state_machine")
def create_state_machine(old, self):
    answer = old(self)
    for machine in self.stepfunction_backend.state_machines:
        if machine.name == self._get_param("name"):
            machine.type = self._get_param("type") or "STANDARD"
    return answer


@replace(StepFunctionResponse, "list_state_machine_versions")
def list_versions(_, self):
    return json.dumps({"stateMachineVersions": []})


# --- EventBridge ------------------------------------------------------------------------------------


def transform(transformer, event):
    """An input transformer with simple paths. A value outside of a string is put in as JSON, in one as it is."""
    if not transformer:
        return event
    template = transformer["InputTemplate"]
    for name, path in transformer.get("InputPathsMap", {}).items():
        value = event
        for part in path.removeprefix("$.").split("."):
            value = value[part]
        parts = template.split(f"<{name}>")
        template = parts[0]
        for part in parts[1:]:
            quoted = template.replace('\\"', "").count('"') % 2 == 1
            template += (json.dumps(value)[1:-1] if quoted else json.dumps(value)) + part
    return json.loads(template)


@replace(Rule, "send_to_targets")
def send_to_targets(old, self, event, transform_input=True):
    """State machines here; all other targets as moto does it. What fails goes to the target's dead-letter queue."""
    if self.state != "ENABLED" or not self.event_pattern.matches_event(event):
        return
    machines = [t for t in self.targets if ":stateMachine:" in t["Arn"]]
    for target in machines:
        given = transform(target.get("InputTransformer"), event)
        backend = stepfunctions_backends[self.account_id][self.region_name]
        machine = next(m for m in backend.state_machines if m.arn == target["Arn"])
        try:
            require(self.account_id, target["RoleArn"], "states:StartExecution", machine.arn)
            run_machine(machine, self.account_id, self.region_name, given)
        except Denied as error:
            print(f"not delivered: {error}", file=sys.stderr, flush=True)
            arn = target.get("DeadLetterConfig", {}).get("Arn")
            if arn:
                sqs_backends[self.account_id][self.region_name].send_message(
                    queue_name=arn.rpartition(":")[2], message_body=json.dumps(given)
                )
        except Exception as error:
            print(f"a run of {machine.name} failed: {error!r}", file=sys.stderr, flush=True)
    others = [t for t in self.targets if t not in machines]
    if others:
        kept, self.targets = self.targets, others
        try:
            old(self, event, transform_input)
        finally:
            self.targets = kept


if __name__ == "__main__":
    patch_docker()
    from moto.server import main

    main(sys.argv[1:])
