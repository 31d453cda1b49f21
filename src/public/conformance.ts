/** `conductor-gateway/conformance`: the duties of every transport, as cases for any test runner. */
export * from '../conformance/index.ts';
