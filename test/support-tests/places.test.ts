import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { putInPlace } from '../../src/embedded/places.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Several processes that put the same folder in its place at once. */

function folder(parent: string, name: string, ...files: string[]): string {
  const path = join(parent, name);
  mkdirSync(path);
  for (const file of files) writeFileSync(join(path, file), name);
  return path;
}

const isComplete = (place: string) => () => existsSync(place) && readdirSync(place).length === 2;

test('a folder is moved to its place if nothing is there', (t) => {
  const parent = temporaryDirectory('places');
  const place = join(parent, 'native');
  putInPlace(folder(parent, 'ours', 'a', 'b'), place, isComplete(place));
  t.deepEqual(readdirSync(parent), ['native']);
  t.is(readFileSync(join(place, 'a'), 'utf8'), 'ours');
});

test('a folder that another process has put there stays, because that process may use it', (t) => {
  const parent = temporaryDirectory('places');
  const place = folder(parent, 'native', 'a', 'b');
  const { ino } = statSync(place);
  putInPlace(folder(parent, 'ours', 'a', 'b'), place, isComplete(place));
  t.deepEqual(readdirSync(parent), ['native']);
  t.is(statSync(place).ino, ino);
  t.is(readFileSync(join(place, 'a'), 'utf8'), 'native');
});

test('an incomplete folder is replaced', (t) => {
  const parent = temporaryDirectory('places');
  const place = folder(parent, 'native', 'a');
  putInPlace(folder(parent, 'ours', 'a', 'b'), place, isComplete(place));
  t.deepEqual(readdirSync(parent), ['native']);
  t.is(readFileSync(join(place, 'b'), 'utf8'), 'ours');
});
