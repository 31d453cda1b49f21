import { messageOf } from '../../core/errors.ts';
import { isObject, jsonTypeOf } from '../../core/json.ts';
import type { CallMethod, CastMethod, Manager } from './contract.ts';
import { setApart } from './set-apart.ts';
import { createManager } from './table.ts';

/**
 * Loads the method table: our methods and a deployer's own ones. A deployer's method may replace one of ours. Their methods run after
 * ours, in the order of their module.
 *
 * @param url of a module whose default export is a record of methods; undefined if there is none.
 * @throws an error with one line for the operator.
 */
export async function loadManager(url: string | undefined): Promise<Manager> {
  if (url === undefined) return createManager();
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new Error(`cannot load ${url}: ${messageOf(error)}`);
  }
  return loadedFrom(module.default, url);
}

/**
 * Makes the method table of our methods and a module's export.
 *
 * @throws an error with one line that names the module, the method and the key.
 */
export function loadedFrom(own: unknown, url: string): Manager {
  if (!isObject(own))
    throw new Error(`${url}: its default export is ${jsonTypeOf(own)}, not a record of methods`);
  const methods: Record<string, CastMethod | CallMethod> = { ...createManager() };
  for (const [name, method] of Object.entries(own)) {
    const problem = problemOf(method);
    if (problem !== undefined) throw new Error(`${url}: ${name}${problem}`);
    if (isMethod(method)) methods[name] = setApart(name, method);
  }
  return methods;
}

/** The reason why a value is not a method, as a text that follows its name; undefined if it is one. */
function problemOf(method: unknown): string | undefined {
  if (!isMethod(method))
    return ' is not a method: it needs the functions parse, toWire and apply, or the functions parse and run';
  const problem = problemOfDescription(method.description);
  if (problem !== undefined) return problem;
  if ('apply' in method) {
    for (const key of ['needsContext', 'latestOnly'] as const) {
      const problem = method[key] === undefined ? undefined : notBoolean(key, method[key]);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  // Neither has a default: a wrong `allowed` would open the method to everybody, a wrong `mutating` would let it act twice.
  const { allowed, mutating } = method;
  if (!['anyone', 'service'].includes(allowed))
    return `.allowed is ${shown(allowed)}: write 'service' if its caller needs a grant, 'anyone' if not`;
  return notBoolean(
    'mutating',
    mutating,
    'true if it changes anything, so that a repeated call acts once, else false',
  );
}

/** `conductor describe` prints it, so a schema must be an object. Whether it is a good one, a validator says. */
function problemOfDescription(description: unknown): string | undefined {
  if (description === undefined) return undefined;
  if (!isObject(description)) return `.description is ${jsonTypeOf(description)}: write { summary, args }`;
  const { summary, rules = '', args, argsWithoutSent = {}, result = {} } = description;
  for (const [key, value] of Object.entries({ summary, rules }))
    if (typeof value !== 'string') return `.description.${key} is ${shown(value)}: write a sentence`;
  for (const [key, value] of Object.entries({ args, argsWithoutSent, result }))
    if (!isObject(value))
      return `.description.${key} is ${shown(value)}: write a JSON Schema of draft 7, as an object`;
  return undefined;
}

function notBoolean(key: string, value: unknown, write = 'true or false'): string | undefined {
  return typeof value === 'boolean' ? undefined : `.${key} is ${shown(value)}: write ${write}`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 32)) : jsonTypeOf(value);
}

/** Recognizes a method by its functions. The other keys are checked one by one, each with its own line. */
function isMethod(value: unknown): value is CastMethod | CallMethod {
  if (typeof value !== 'object' || value === null) return false;
  const has = (...names: string[]) =>
    names.every((name) => name in value && typeof Reflect.get(value, name) === 'function');
  return has('parse', 'toWire', 'apply') || (!('apply' in value) && has('parse', 'run'));
}
