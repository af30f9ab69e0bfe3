"""Receives mail for a test: each mail becomes a file of JSON. Some addresses are trouble, by their name."""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, certificate, key, password = sys.argv[1:5]


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 there is nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(address.startswith("full") for address in envelope.rcpt_tos):
            return "452 there is no room"
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "data": envelope.content.decode("utf-8"),
                "encrypted": session.ssl is not None}
        Handler.count += 1
        path = os.path.join(folder, f"{Handler.count:04}.json")
        with open(path + ".new", "w") as file:
            json.dump(mail, file)
        os.rename(path + ".new", path)
        if any(address.startswith("lost") for address in envelope.rcpt_tos):
            server.transport.abort()
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    fine = (data.login, data.password) == (b"flow8", password.encode())
    return AuthResult(success=fine, handled=False)


async def serve():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    def session(**more):
        return SMTP(Handler(), hostname="localhost", authenticator=authenticate, auth_required=True, **more)

    loop = asyncio.get_running_loop()
    secure = lambda: session(tls_context=tls, require_starttls=True)
    servers = [await loop.create_server(secure, "127.0.0.1", 0),
               await loop.create_server(lambda: session(auth_require_tls=False), "127.0.0.1", 0, ssl=tls)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print("receiving", *ports, flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(serve())
