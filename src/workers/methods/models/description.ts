import { closed, type JsonSchema, type MethodDescription, object } from '../description.ts';
import { maxFilters, maxOperands, maxOrders, operators } from './arguments.ts';

const modelSchema: JsonSchema = { description: 'A name in `models` of the configuration.', type: 'string' };
const row: JsonSchema = { description: 'A row, by column.', type: 'object' };
const flag: JsonSchema = { type: ['boolean', 'null'], default: false };
const rowId: JsonSchema = {
  description: 'The value of the primary key, or an object with all of its columns.',
  type: ['string', 'number', 'object'],
};
const rows = object(['count', 'rows'], {
  count: { type: 'integer', minimum: 0 },
  rows: { type: 'array', items: row },
});

const operands: Readonly<Record<string, JsonSchema>> = {
  in: { type: 'array', maxItems: maxOperands },
  null: { type: 'boolean' },
};

const condition: JsonSchema = {
  description: 'A value that the column equals, or conditions on the column. null: the column is NULL.',
  anyOf: [
    { not: { type: 'object' } },
    {
      ...closed([], Object.fromEntries(operators.map((name) => [name, operands[name] ?? {}]))),
      minProperties: 1,
    },
  ],
};

const filters: JsonSchema = {
  description: `Conditions by column. A row has to match all of them, ${maxFilters} at most.`,
  type: 'object',
  maxProperties: maxFilters,
  additionalProperties: condition,
};

const order: JsonSchema = {
  anyOf: [
    { description: 'A column. A `-` before it reverses the order.', type: 'string' },
    closed(['column'], { column: { type: 'string' }, direction: { enum: ['asc', 'desc'] } }),
  ],
};

const rights = 'The service needs a grant to the model and to each column.';

export const createDescription: MethodDescription = {
  summary: 'Inserts a row, or several rows: all of them or none.',
  rules: `${rights} An array has at most \`calls.maxRows\` elements.`,
  args: closed(['model', 'values'], {
    model: modelSchema,
    values: { anyOf: [row, { type: 'array', items: row, minItems: 1 }] },
  }),
  result: { anyOf: [row, rows] },
};

export const getDescription: MethodDescription = {
  summary: 'Reads one row by its id.',
  rules: rights,
  args: closed(['model', 'id'], { model: modelSchema, id: rowId, include_deleted: flag }),
  result: row,
};

export const listDescription: MethodDescription = {
  summary: 'Reads a page of rows.',
  rules: `${rights} No column is in \`order_by\` twice. All filters together have at most ${maxFilters} conditions. \`limit\` is at most \`calls.maxRows\`.`,
  args: closed(['model'], {
    model: modelSchema,
    filters,
    order_by: { type: 'array', items: order, maxItems: maxOrders },
    limit: { type: 'integer', minimum: 1 },
    marker: { description: 'The `marker` of the page before.', type: ['string', 'number', 'object', 'null'] },
    include_deleted: flag,
  }),
  result: object(['rows', 'marker'], { rows: { type: 'array', items: row }, marker: {} }),
};

export const updateDescription: MethodDescription = {
  summary: 'Updates the row of one id, or the rows of several ids or of filters: all of them or none.',
  rules: `${rights} It names at most \`calls.maxRows\` rows. All filters together have at most ${maxFilters} conditions.`,
  args: {
    ...closed(['model', 'values'], {
      model: modelSchema,
      id: rowId,
      ids: { type: 'array', items: rowId, minItems: 1 },
      filters: { ...filters, minProperties: 1 },
      values: { ...row, minProperties: 1 },
      if_updated: { description: 'The value of `updated` that the sender has read. It goes with `id`.' },
    }),
    oneOf: [{ required: ['id'] }, { required: ['ids'] }, { required: ['filters'] }],
    dependencies: { if_updated: ['id'] },
  },
  result: { anyOf: [row, rows] },
};

export const deleteDescription: MethodDescription = {
  summary: 'Deletes a row. A table with `deleted` or `deleted_at` keeps the row.',
  rules: rights,
  args: closed(['model', 'id'], {
    model: modelSchema,
    id: rowId,
    if_updated: { description: 'The value of `updated` that the sender has read.' },
  }),
  result: object(['count'], { count: { const: 1 } }),
};
