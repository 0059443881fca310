#!/usr/bin/env python3
"""Forwards TCP connections and holds every byte back for a while: a long cable between two sites.

  delay_relay.py MILLISECONDS LISTEN_HOST:PORT=TARGET_HOST:PORT...
"""
import asyncio
import sys


async def pump(reader, writer, delay_s):
    """Bytes in order, each piece `delay_s` after it came, without holding up the next."""
    loop = asyncio.get_running_loop()
    on_the_way = asyncio.Queue(maxsize=4096)

    async def deliver():
        while True:
            due, piece = await on_the_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if piece is None:
                break
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(65536):
            await on_the_way.put((loop.time() + delay_s, piece))
    except ConnectionError:
        pass
    await on_the_way.put((loop.time() + delay_s, None))
    try:
        await delivery
    except ConnectionError:
        pass


async def serve(rule, delay_s):
    listen, target = (part.rsplit(":", 1) for part in rule.split("="))

    async def connect(reader, writer):
        try:
            there_reader, there_writer = await asyncio.open_connection(target[0], int(target[1]))
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(pump(reader, there_writer, delay_s), pump(there_reader, writer, delay_s))
        for end in (writer, there_writer):
            end.close()

    return await asyncio.start_server(connect, listen[0], int(listen[1]))


async def main():
    servers = [await serve(rule, float(sys.argv[1]) / 1000) for rule in sys.argv[2:]]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
