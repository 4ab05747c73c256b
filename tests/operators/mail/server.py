"""A mail server for tests: prints its port, then every message as one line of JSON."""
import asyncio
import email
import email.policy
import json

from aiosmtpd.smtp import SMTP


class Printer:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = message.get_body(("plain",)).get_content()
        attached = [part.get_filename() for part in message.iter_attachments()]
        told = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": message["subject"], "text": text, "attached": attached}
        print(json.dumps(told), flush=True)
        return "250 taken"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Printer()), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
