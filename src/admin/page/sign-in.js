import { signInForm } from './api.js';
import { byId } from './dom.js';

signInForm(byId('sign-in', HTMLFormElement), () => location.reload());
byId('token').focus();
