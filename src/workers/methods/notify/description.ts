import { idSchema, type JsonSchema, type MethodDescription, object } from '../description.ts';
import { baseTraits, classesWithTrait, className } from './notification.ts';

/** An object that has a key, in one of two places. */
type Having = (key: string) => JsonSchema;

const serializedHas: Having = (key) =>
  object(['serialized_notification'], { serialized_notification: { required: [key] } });
const argumentsHave: Having = (key) =>
  object(['notification_args'], { notification_args: { required: [key] } });

const text: JsonSchema = { type: ['string', 'number', 'boolean', 'null'] };

const serialized: JsonSchema = {
  description: 'A notification of Trove, as `DBaaSAPINotification.serialize` makes it.',
  ...object(['notification_classname'], {
    notification_classname: { type: 'string', pattern: className.source },
  }),
};

const instanceInSerialized = object(['serialized_notification'], {
  serialized_notification: object(['instance_id'], { instance_id: idSchema }),
});

/** The key may stand in the notification, or among the arguments that are laid over it. */
const inEither: Having = (key) => ({ anyOf: [serializedHas(key), argumentsHave(key)] });

/** Events that need a further key: if the class is one of them, the key is there. */
const traitsOfClasses = classesWithTrait.map(([names, trait]) => ({
  if: object(['serialized_notification'], {
    serialized_notification: object(['notification_classname'], { notification_classname: { enum: names } }),
  }),
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
  then: inEither(trait),
}));

export const endDescription: MethodDescription = {
  summary: 'A guest reports the end of an operation. The conductor publishes the notification.',
  rules: 'If both objects have an `instance_id`, it is the same.',
  args: {
    ...object(['serialized_notification'], {
      serialized_notification: serialized,
      notification_args: { type: 'object' },
    }),
    allOf: [
      ...baseTraits.map(inEither),
      ...traitsOfClasses,
      {
        anyOf: [
          instanceInSerialized,
          {
            ...object(['notification_args'], {
              notification_args: object(['instance_id'], { instance_id: idSchema }),
            }),
            properties: {
              notification_args: object(['instance_id'], { instance_id: idSchema }),
              serialized_notification: { properties: { instance_id: { type: 'null' } } },
            },
          },
        ],
      },
      {
        if: argumentsHave('server_type'),
        // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
        then: { properties: { notification_args: { properties: { server_type: text } } } },
        else: { properties: { serialized_notification: { properties: { server_type: text } } } },
      },
    ],
  },
};

export const excInfoDescription: MethodDescription = {
  summary:
    "A guest reports an error of an operation. The conductor publishes the notification and stores the instance's fault.",
  args: {
    ...object(['serialized_notification', 'message', 'exception'], {
      serialized_notification: {
        ...serialized,
        required: ['notification_classname', 'instance_id', ...baseTraits],
        properties: {
          notification_classname: { type: 'string', pattern: className.source },
          instance_id: idSchema,
          server_type: text,
        },
      },
      message: { type: 'string' },
      exception: { description: 'The lines of the traceback.', type: 'array', items: { type: 'string' } },
    }),
  },
};
