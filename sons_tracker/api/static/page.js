"use strict";

// Reads /openapi.json and shows it. Text only ever enters the page through textContent.

const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};

// Between backquotes stands code; French marks keep to their word.
const prose = (text) => text
  .replace(/« /g, "«\u00a0").replace(/ ([»:])/g, "\u00a0$1").replace(/ ([;!?])/g, "\u202f$1")
  .split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part)).filter((part) => part !== "");

const KINDS = {
  string: "texte", integer: "entier", number: "nombre", boolean: "oui ou non", object: "objet", array: "liste", null: "null",
};

const nameOf = (reference) => reference.split("/").pop();

const kindOf = (schema) => {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" ou ");
  if (schema.anyOf) return schema.anyOf.map(kindOf).join(" ou ");
  if (schema.type === "array") return `liste de : ${kindOf(schema.items || {})}`;
  const kind = KINDS[schema.type] || "valeur";
  return schema.format ? `${kind} (${schema.format})` : kind;
};

const boundsOf = (schema) => {
  const words = {
    minLength: "caractères ≥", maxLength: "caractères ≤", minItems: "éléments ≥", maxItems: "éléments ≤",
    minimum: "≥", maximum: "≤", pattern: "forme",
  };
  const own = Object.entries(words).filter(([key]) => key in schema).map(([key, word]) => `${word} ${schema[key]}`);
  if ("default" in schema) own.push(`par défaut ${JSON.stringify(schema.default)}`);
  return own.concat((schema.anyOf || []).map(boundsOf).filter(Boolean)).join(" ; ");
};

const referencesOf = (schema) => {
  if (!schema || typeof schema !== "object") return [];
  const own = typeof schema.$ref === "string" ? [nameOf(schema.$ref)] : [];
  return own.concat(...Object.values(schema).map(referencesOf));
};

const tableOf = (title, heads, rows) =>
  make("table", {}, make("caption", {}, title),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))));

const objectTable = (name, schema) => {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([field, inner]) => [
    make("code", {}, field), kindOf(inner), required.has(field) ? "oui" : "non", inner.description || "", boundsOf(inner),
  ]);
  return tableOf(`${name}${schema.description ? ` : ${schema.description}` : ""}`,
    ["Champ", "Valeur", "Obligatoire", "Sens", "Limites"], rows);
};

const schemaTables = (schema, components) => {
  const seen = new Set();
  const waiting = referencesOf(schema);
  const tables = [];
  while (waiting.length > 0) {
    const name = waiting.shift();
    if (seen.has(name) || !components[name]) continue;
    seen.add(name);
    if (components[name].properties) tables.push(objectTable(name, components[name]));
    waiting.push(...referencesOf(components[name]));
  }
  return tables;
};

const pretty = (value) => make("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));

const examplesOf = (content) =>
  Object.entries(content.examples || {}).map(([name, example]) =>
    make("details", {}, make("summary", {}, `Exemple : ${example.summary || name}`), pretty(example.value)));

const operationSection = (anchor, path, method, operation, components) => {
  const section = make("section", { id: anchor },
    make("h2", {}, operation.summary || path),
    make("p", {}, make("span", { class: "verb" }, method.toUpperCase()), " ", make("code", {}, path)));
  if (operation.description) section.append(make("p", {}, ...prose(operation.description)));
  if (operation["x-roles"]) {
    const free = operation.security.some((one) => Object.keys(one).length === 0);
    section.append(make("p", { class: "quiet" },
      `${free ? "Jeton facultatif. Rôles" : "Jeton obligatoire. Rôles"} : ${operation["x-roles"].join(", ")}.`));
  }
  if (operation.parameters) {
    const places = { path: "adresse", query: "requête", header: "en-tête" };
    section.append(tableOf("Paramètres", ["Nom", "Place", "Valeur", "Obligatoire", "Sens"], operation.parameters.map((one) => [
      make("code", {}, one.name), places[one.in] || one.in, kindOf(one.schema), one.required ? "oui" : "non", one.description || "",
    ])));
  }
  if (operation.requestBody) {
    section.append(make("h3", {}, "Corps"));
    for (const content of Object.values(operation.requestBody.content))
      section.append(...schemaTables(content.schema, components), ...examplesOf(content));
  }
  section.append(make("h3", {}, "Réponses"));
  for (const [status, response] of Object.entries(operation.responses)) {
    const details = make("details", {}, make("summary", {}, make("strong", {}, status), " ", ...prose(response.description)));
    for (const [media, content] of Object.entries(response.content || {}))
      details.append(make("p", { class: "quiet" }, media), ...schemaTables(content.schema, components), ...examplesOf(content));
    section.append(details);
  }
  return section;
};

const show = (description) => {
  document.getElementById("titre").textContent = `${description.info.title} ${description.info.version}`;
  document.getElementById("presentation").append(...prose(description.info.description));
  const sections = [];
  const lists = new Map(description.tags.map((tag) => [tag.name, make("ul", {})]));
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const anchor = operation.operationId;
      lists.get(operation.tags[0]).append(
        make("li", {}, make("a", { href: `#${anchor}` }, operation.summary), " ", make("code", { class: "quiet" }, `${method.toUpperCase()} ${path}`)));
      sections.push(operationSection(anchor, path, method, operation, description.components.schemas));
    }
  }
  for (const [tag, list] of lists) document.getElementById("sommaire").append(make("h2", {}, tag), list);
  document.getElementById("attente").remove();
  document.getElementById("contenu").append(...sections);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
};

fetch("/openapi.json")
  .then((response) => {
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  })
  .then(show)
  .catch(() => {
    document.getElementById("attente").textContent = "Le document n’a pas pu être lu ; recharger la page.";
  });
