import { byGuard } from '../methods/fold.ts';
import { type BatchItem, isTask } from './item.ts';

/**
 * Two halves. Messages about the same thing stay together until they are alone, then go in the order of their guard. Every other
 * one of a shuffled list goes to each half, so that those that are tried first are drawn from all.
 */
export function halvesOf(
  items: ReadonlyArray<BatchItem>,
): [ReadonlyArray<BatchItem>, ReadonlyArray<BatchItem>] {
  const groups = [
    ...Map.groupBy(items, ({ task, index }) =>
      isTask(task) ? `${task.methodName} ${task.args.key}` : index,
    ).values(),
  ];
  if (groups.length === 1) {
    const ordered = items.toSorted(inOrder);
    const middle = Math.ceil(ordered.length / 2);
    return [ordered.slice(0, middle), ordered.slice(middle)];
  }
  const shift = Math.floor(Math.random() * groups.length);
  const drawn = groups.map((_, index) => groups[(index + shift) % groups.length] ?? []);
  return [
    drawn.filter((_, index) => index % 2 === 0).flat(),
    drawn.filter((_, index) => index % 2 === 1).flat(),
  ];
}

function inOrder(a: BatchItem, b: BatchItem): number {
  return isTask(a.task) && isTask(b.task) ? byGuard(a.task.args, b.task.args) : 0;
}
