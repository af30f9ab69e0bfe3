# Calls the tools of an MCP server with the client of the official SDK, and prints what it saw as JSON.
# usage: mcp_client.py URL TOKEN MODE, where MODE is auto or legacy
import json
import sys

import anyio
from mcp import Client, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

URL, TOKEN, MODE = sys.argv[1:]


def client(token):
    http = create_mcp_http_client(headers={"authorization": f"Bearer {token}"})
    return Client(streamable_http_client(URL, http_client=http), mode=MODE)


def said(result):
    return {
        "isError": result.is_error,
        "structured": result.structured_content,
        "text": result.content[0].text,
        "meta": dict(result.meta or {}),
    }


async def hang_and_cancel(session, seen):
    async with anyio.create_task_group() as group:
        async def noted(progress, total, message):
            # The play has begun: whoever called goes away.
            group.cancel_scope.cancel()

        await session.call_tool("hang", {}, progress_callback=noted)
    seen["cancelled"] = True


async def main():
    seen = {}
    async with client(TOKEN) as session:
        seen["revision"] = session.protocol_version
        seen["server"] = session.server_info.name
        tools = (await session.list_tools()).tools
        seen["tools"] = [tool.name for tool in tools]
        seen["schema"] = next(tool.input_schema for tool in tools if tool.name == "order")
        seen["gives"] = next(tool.output_schema for tool in tools if tool.name == "order")
        seen["order"] = said(await session.call_tool("order", {"n": 3}))
        key = {"flow8/idempotencyKey": "once"}
        seen["again"] = [said(await session.call_tool("order", {"n": 4}, meta=key)) for _ in range(2)]
        seen["wrong"] = said(await session.call_tool("order", {"n": "three"}))
        try:
            await session.call_tool("nothing", {})
        except MCPError as error:
            seen["unknown"] = {"code": error.code, "message": str(error)}
        for name in ["fails", "approval", "later", "listed", "odd"]:
            seen[name] = said(await session.call_tool(name, {}))
        seen["progress"] = []

        async def noted(progress, total, message):
            seen["progress"].append([progress, total])

        seen["slow"] = said(await session.call_tool("slow", {}, progress_callback=noted))
        templates = await session.list_resource_templates()
        seen["templates"] = [template.uri_template for template in templates.resource_templates]
        read = await session.read_resource(f"flow8://plays/{seen['order']['meta']['flow8/playId']}")
        seen["play"] = json.loads(read.contents[0].text)
        try:
            await session.read_resource("flow8://plays/000000000000000000000000")
        except MCPError as error:
            seen["noPlay"] = error.code
        flows = await session.call_tool("flow8_list_flows", {"search": "order"})
        seen["flows"] = [flow["permanentId"] for flow in flows.structured_content["data"]]
        seen["checked"] = said(await session.call_tool("flow8_check_flow", {"flowId": "order"}))["structured"]
        run = await session.call_tool("flow8_run_flow", {"flowId": "order", "args": {"n": 5}, "wait": 60})
        seen["run"] = run.structured_content
        got = await session.call_tool("flow8_get_play", {"playId": run.structured_content["playId"]})
        seen["got"] = got.structured_content["trigger"]
        listed = await session.call_tool("flow8_list_plays", {"flowId": "order", "size": 1})
        seen["listed_plays"] = len(listed.structured_content["data"])
        seen["none"] = said(await session.call_tool("flow8_get_play", {"playId": "nothing"}))
    async with client(TOKEN) as session:
        await hang_and_cancel(session, seen)
    try:
        async with client("f8_wrong") as session:
            await session.list_tools()
        seen["stranger"] = "let in"
    except BaseException as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        seen["stranger"] = str(error)
    print(json.dumps(seen))


anyio.run(main)
