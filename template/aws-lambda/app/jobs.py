"""Events that are no requests: of queues, buckets, schedules."""

from amphis.aws_lambda import LambdaContext


async def handler(event: dict, context: LambdaContext):
    failed = []
    for record in event.get("Records", []):
        try:
            await work(record)
        except Exception as error:
            print(f"{record.get('messageId')} failed: {error!r}")
            failed.append({"itemIdentifier": record.get("messageId")})
    return {"batchItemFailures": failed}


async def work(record: dict):
    print("a record of", record.get("eventSource"))
