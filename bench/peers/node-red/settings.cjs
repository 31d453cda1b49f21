/** Node-RED without its editor and what calls home; the rest as it comes. */
module.exports = {
  httpAdminRoot: false,
  httpNodeRoot: false,
  telemetry: { enabled: false, updateNotification: false },
  // The command has installed what the flow needs.
  externalModules: { modules: { allowInstall: false } },
  logging: { console: { level: 'warn' } },
};
