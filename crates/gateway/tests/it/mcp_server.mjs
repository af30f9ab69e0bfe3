// An MCP server of the official SDK, of the revisions before the current one: with sessions, and answers as events. It
// says its address, and ends with its standard input.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

const sdk = (path) => import(`${process.env.MCP_SDK}/${path}`);
const { Server } = await sdk("server/index.js");
const { StreamableHTTPServerTransport } = await sdk("server/streamableHttp.js");
const { CallToolRequestSchema } = await sdk("types.js");

const sessions = new Map();

async function open() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  });
  const server = new Server({ name: "older", version: "1" }, { capabilities: { tools: {} } });
  server.setRequestHandler(CallToolRequestSchema, ({ params: { name, arguments: args, _meta } }) => {
    if (name === "broken") throw new Error("no such luck");
    const structuredContent = { args, key: _meta?.["flow8/idempotencyKey"] ?? null, sessions: sessions.size };
    return { content: [{ type: "text", text: "done" }], structuredContent, isError: name === "refuses" };
  });
  await server.connect(transport);
  return transport;
}

const http = createServer(async (request, response) => {
  if (request.headers.authorization !== "Bearer hush-hush") return response.writeHead(401).end();
  const id = request.headers["mcp-session-id"];
  const known = id === undefined ? await open() : sessions.get(id);
  if (!known) return response.writeHead(404).end();
  await known.handleRequest(request, response);
});
http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
process.stdin.on("end", () => process.exit()).resume();
