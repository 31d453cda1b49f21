import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type { For } from './guard.ts';

/** The folder stays where it is when the package is built. So it is found from `src/admin` and from `dist/admin`. */
const folder = new URL('../../src/admin/page/', import.meta.url);

const types = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** The files that the page loads. No other file is served. The ones for everybody are those of the sign-in page. */
const files: Readonly<Record<string, For>> = {
  'theme.css': 'everybody',
  'dialog.css': 'everybody',
  'page.css': 'everybody',
  'icon.svg': 'everybody',
  'sign-in.js': 'everybody',
  'api.js': 'everybody',
  'dom.js': 'everybody',
  'parts.css': 'readers',
  'main.js': 'readers',
  'words.js': 'readers',
  'fleet.js': 'readers',
  'replicas.js': 'readers',
  'plot.js': 'readers',
  'instance.js': 'readers',
  'letters.js': 'readers',
  'letter.js': 'readers',
};

/** The page on which a browser signs in. */
export function signInPage(): Promise<string> {
  return readFile(new URL('sign-in.html', folder), 'utf8');
}

/** Serves the page and its files. They are read when they are asked for. */
export function addPageFiles(server: FastifyInstance): void {
  server.get('/', async (_, reply) => {
    reply.type('text/html; charset=utf-8');
    return readFile(new URL('page.html', folder));
  });
  for (const [name, users] of Object.entries(files)) {
    const type = Object.entries(types).find(([extension]) => name.endsWith(`.${extension}`))?.[1];
    server.get(`/page/${name}`, { config: { for: users } }, async (_, reply) => {
      reply.type(type ?? 'application/octet-stream');
      return readFile(new URL(name, folder));
    });
  }
}
