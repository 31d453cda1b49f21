import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { type Config, parseConfig } from '../../src/core/config/load.ts';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** The kinds of transport that a broker of its own is deployed for. */
export const kinds = Object.keys(transportKinds);

export const textOf = (path: string) => readFileSync(join(root, path), 'utf8');

/** The documents of a YAML file, in which a key may stand once only. Throws if one is no map. */
export function documentsOf(text: string): JsonObject[] {
  return parseAllDocuments(text, { merge: true, uniqueKeys: true, version: '1.1' }).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return mapOf(document.toJS());
  });
}

/** The value as a map. Throws if it is none. */
export function mapOf(value: unknown): JsonObject {
  if (!isObject(value)) throw new Error(`this is no map: ${JSON.stringify(value)}`);
  return value;
}

/** The value as a list. Throws if it is none. */
export function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error(`this is no list: ${JSON.stringify(value)}`);
  return value;
}

/** The value behind these keys and numbers; undefined if there is none. */
export function at(value: unknown, ...path: ReadonlyArray<string | number>): unknown {
  return path.reduce<unknown>(
    (holder, key) => (typeof holder === 'object' && holder !== null ? Reflect.get(holder, key) : undefined),
    value,
  );
}

const secret = join(temporaryDirectory('deploy'), 'secret');
writeFileSync(secret, 'not-a-real-password\n');

/** Reads a configuration as a replica does. Each path below `folder` stands for a file with a secret. */
export function readConfig(text: string, folder: string, environment: Record<string, string> = {}): Config {
  const place = (one: string) => one.replaceAll(new RegExp(`${folder}/\\w+`, 'g'), secret);
  const entries = Object.entries(environment).map(([name, value]) => [name, place(value)]);
  return parseConfig(place(text), 'conductor.yaml', Object.fromEntries(entries), transportKinds);
}

/** The host and the port of each address of a transport or of the database. */
export function addressOf(url: unknown): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(String(url).replace(/^\w+:/, 'http:'));
  return { host: hostname, port: Number(port) };
}
