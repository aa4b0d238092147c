// Shows this server's own document, and asks nobody else: no validator, no address from the query string.
SwaggerUIBundle({
  url: new URL("api/openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  displayOperationId: true,
  docExpansion: "none",
  persistAuthorization: false,
  queryConfigEnabled: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
