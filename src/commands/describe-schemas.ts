import type { JsonObject } from '../core/json.ts';
import { type CallMethod, type CastMethod, type Manager, takesBatches } from '../workers/methods/contract.ts';
import type { JsonSchema, MethodDescription } from '../workers/methods/description.ts';
import { keyOf } from './describe-parts.ts';
import { outcomeResult } from './describe-payloads.ts';

/** A method as a document shows it. */
export interface DescribedMethod {
  readonly name: string;
  readonly kind: 'cast' | 'call';
  /** Whether a service needs a grant to call it. */
  readonly needsGrant: boolean;
  readonly description: MethodDescription;
  readonly result: JsonSchema;
}

/** All methods of the table, in its order. A method that does not describe itself takes any arguments. */
export function describedMethods(manager: Manager): DescribedMethod[] {
  return Object.entries(manager).map(([name, method]) => {
    const { description = undescribed } = method;
    return { name, ...kindOf(method), description, result: description.result ?? resultOf(method) };
  });
}

const undescribed: MethodDescription = {
  summary: 'A method that does not describe itself.',
  args: { type: 'object' },
};

function kindOf(method: CastMethod | CallMethod): Pick<DescribedMethod, 'kind' | 'needsGrant'> {
  if (takesBatches(method)) return { kind: 'cast', needsGrant: false };
  return { kind: 'call', needsGrant: method.allowed === 'service' };
}

function resultOf(method: CastMethod | CallMethod): JsonSchema {
  return takesBatches(method) ? outcomeResult : {};
}

/** The summary, the rules and the rights, as one text. */
export function textOf({ description: { summary, rules }, needsGrant }: DescribedMethod): string {
  const grant = needsGrant ? 'Its sender needs a grant under `services`.' : undefined;
  return [summary, rules, grant].filter((part) => part !== undefined).join(' ');
}

/** The schemas of all methods by their names in a document, and the methods with references to them. */
export function sharedSchemas(
  methods: ReadonlyArray<DescribedMethod>,
  refer: (key: string) => JsonSchema,
): { readonly schemas: JsonObject; readonly referring: DescribedMethod[] } {
  const schemas: JsonObject = {};
  const share = (key: string, schema: JsonSchema) => {
    schemas[key] = schema;
    return refer(key);
  };
  const referring = methods.map((method) => {
    const { name, description, result } = method;
    const key = keyOf(name);
    const { args, argsWithoutSent, ...rest } = description;
    const own = { ...rest, args: share(`${key}.args`, args) };
    return {
      ...method,
      description:
        argsWithoutSent === undefined
          ? own
          : { ...own, argsWithoutSent: share(`${key}.argsWithoutSent`, argsWithoutSent) },
      result: share(`${key}.result`, result),
    };
  });
  return { schemas, referring };
}

/** One JSON Schema, draft 7, with the arguments and the result of each method among its definitions. */
export function schemaDocument(manager: Manager): JsonObject {
  const methods = describedMethods(manager);
  const { schemas } = sharedSchemas(methods, () => ({}));
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: "The arguments and results of the conductor's methods",
    description:
      'In all arguments: no text has a NUL or half of a surrogate pair, no key is `__proto__`, nothing is nested more than 32 levels deep.',
    definitions: {
      ...schemas,
      ...Object.fromEntries(
        methods.map((method) => {
          const key = `${keyOf(method.name)}.args`;
          return [key, { description: textOf(method), ...method.description.args }];
        }),
      ),
    },
  };
}
