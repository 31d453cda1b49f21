import { idSchema, type MethodDescription, orNull, text, withAndWithoutSent } from '../description.ts';
import { textFields } from './arguments.ts';

export const description: MethodDescription = {
  summary: 'A guest reports the progress of a backup. An absent column keeps its value, null clears it.',
  rules: 'The backup has to exist and to belong to the instance.',
  ...withAndWithoutSent(['instance_id', 'backup_id'], {
    instance_id: idSchema,
    backup_id: idSchema,
    state: text(textFields.state),
    size: { type: ['number', 'null'] },
    checksum: orNull(text(textFields.checksum)),
    location: orNull(text(textFields.location)),
    backup_type: orNull(text(textFields.backup_type)),
  }),
};
