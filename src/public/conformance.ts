/** `conductor-gateway/conformance`: what every transport has to do, as cases for any test runner. */
export * from '../conformance/index.ts';
