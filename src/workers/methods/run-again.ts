import { CallRefused } from '../../core/errors.ts';

/** A method throws it if another try may succeed. The call runs again. If the last try fails too, the call is refused with this error. */
export class RunAgain extends CallRefused {}
