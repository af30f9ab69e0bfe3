// Calls the tools of an MCP server with the client of the official SDK, and prints what it saw as JSON.
// usage: mcp_client.mjs URL TOKEN, with the folder of the SDK as MCP_SDK
const sdk = (path) => import(`${process.env.MCP_SDK}/${path}`);
const { Client } = await sdk("client/index.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");

const [url, token] = process.argv.slice(2);

async function connect(token) {
  const client = new Client({ name: "test", version: "1" });
  const headers = { authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  return [client, transport];
}

const said = (result) => ({
  isError: result.isError,
  structured: result.structuredContent ?? null,
  text: result.content[0].text,
  meta: result._meta ?? {},
});

const seen = {};
const [client, transport] = await connect(token);
const call = async (name, args = {}, options = undefined, meta = undefined) =>
  said(await client.callTool({ name, arguments: args, _meta: meta }, undefined, options));
seen.revision = transport.protocolVersion;
seen.server = client.getServerVersion().name;
const { tools } = await client.listTools();
seen.tools = tools.map((tool) => tool.name);
seen.schema = tools.find((tool) => tool.name === "order").inputSchema;
seen.gives = tools.find((tool) => tool.name === "order").outputSchema;
seen.order = await call("order", { n: 3 });
const key = { "flow8/idempotencyKey": "once" };
seen.again = [await call("order", { n: 4 }, undefined, key), await call("order", { n: 4 }, undefined, key)];
seen.wrong = await call("order", { n: "three" });
await call("nothing").catch((error) => (seen.unknown = { code: error.code, message: error.message }));
for (const name of ["fails", "approval", "later", "listed", "odd"]) seen[name] = await call(name);
seen.progress = [];
seen.slow = await call("slow", {}, { onprogress: ({ progress, total }) => seen.progress.push([progress, total]) });
seen.templates = (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate);
const read = await client.readResource({ uri: `flow8://plays/${seen.order.meta["flow8/playId"]}` });
seen.play = JSON.parse(read.contents[0].text);
await client
  .readResource({ uri: "flow8://plays/000000000000000000000000" })
  .catch((error) => (seen.noPlay = error.code));
const structured = async (name, args) => (await call(name, args)).structured;
seen.flows = (await structured("flow8_list_flows", { search: "order" })).data.map((flow) => flow.permanentId);
seen.checked = await structured("flow8_check_flow", { flowId: "order" });
seen.run = await structured("flow8_run_flow", { flowId: "order", args: { n: 5 }, wait: 60 });
seen.got = (await structured("flow8_get_play", { playId: seen.run.playId })).trigger;
seen.listed_plays = (await structured("flow8_list_plays", { flowId: "order", size: 1 })).data.length;
seen.none = await call("flow8_get_play", { playId: "nothing" });
const gone = new AbortController();
await call("hang", {}, { signal: gone.signal, onprogress: () => gone.abort("enough") }).catch(() => {
  seen.cancelled = true;
});
// Whoever closes the client takes back what it was about to say.
while ((await structured("flow8_list_plays", { flowId: "hang" })).data[0].state === "RUN");
await client.close();
seen.stranger = await connect("f8_wrong").then(
  () => "let in",
  (error) => String(error),
);
console.log(JSON.stringify(seen));
