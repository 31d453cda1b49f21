import { CallRefused } from '../../core/errors.ts';

/** A method throws it where another try may succeed: the call is run again, and refused with this if the last try fails too. */
export class RunAgain extends CallRefused {}
