/**
 * The view on loopback. Everything is below a path nobody can guess, and only requests that name loopback as their host are
 * answered, so no other user's program and no page of another site gets at the images.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OpenSet } from '../../inspect/open.ts';
import { makePage } from './page.ts';

export interface Serving { readonly url: string; readonly server: Server; close(): Promise<void> }

/** Most that one request gets; the page asks for 1 MiB at a time. */
const MAX_READ = 8 << 20;
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

export async function serveView(set: OpenSet, { port, version, pagesLimit }: { port: number; version: string; pagesLimit: number }): Promise<Serving> {
  const token = randomBytes(18).toString('base64url');
  const { html } = await makePage(set, { version, pagesLimit, serve: `/${token}/files` });
  const server = createServer((request, response) => {
    answer(set, token, html, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end(error instanceof Error ? error.message : String(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${token}/`;
  return { url, server, close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(() => resolve()); }) };
}

async function answer(set: OpenSet, token: string, html: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number): void => { response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status}\n`); };
  if (!LOOPBACK.test(request.headers.host ?? '')) return refuse(403);
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const [, given, what, link, name] = url.pathname.split('/');
  if (given !== token) return refuse(404);
  if (request.method !== 'GET') return refuse(405);
  const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };
  if (what === '') {
    response.writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8' }).end(html);
    return;
  }
  const offset = Number(url.searchParams.get('offset') ?? 0);
  const length = Number(url.searchParams.get('length') ?? 0);
  const one = set.chain[Number(link)];
  const file = decodeURIComponent(name ?? '');
  if (what !== 'files' || one === undefined || !one.store.files.includes(file)) return refuse(404);
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0 || length > MAX_READ) return refuse(400);
  const source = await one.store.source(file);
  if (source === undefined) return refuse(404);
  const bytes = await source.read(offset, length);
  response.writeHead(200, { ...headers, 'content-type': 'application/octet-stream', 'content-length': bytes.length }).end(bytes);
}
