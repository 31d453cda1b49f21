import { messageOf } from '../core/errors.ts';
import { isObject, kindOf } from '../core/json.ts';
import { type CallMethod, type Manager, type Method, manager } from './manager.ts';

/**
 * The method table: ours, with a deployer's own methods added or put in the place of ours. Theirs run after ours, in the order
 * in which they stand.
 *
 * @param url of a module whose default export is a record of methods; undefined: there is none.
 * @throws what is wrong with it, in one line for the operator.
 */
export async function loadManager(url: string | undefined): Promise<Manager> {
  if (url === undefined) return manager;
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new Error(`cannot load ${url}: ${messageOf(error)}`);
  }
  const own = module.default;
  if (!isObject(own))
    throw new Error(`${url}: its default export is ${kindOf(own)}, not a record of methods`);
  const methods: Record<string, Method | CallMethod> = { ...manager };
  for (const [name, method] of Object.entries(own)) {
    if (!isMethod(method)) throw new Error(`${url}: ${name} is no method: ${expected}`);
    methods[name] = method;
  }
  return methods;
}

const expected = 'it needs the functions parse, toWire and apply, or the functions parse and run';

function isMethod(value: unknown): value is Method | CallMethod {
  if (!isObject(value)) return false;
  const has = (...names: string[]) => names.every((name) => typeof value[name] === 'function');
  return has('parse', 'toWire', 'apply') || has('parse', 'run');
}
