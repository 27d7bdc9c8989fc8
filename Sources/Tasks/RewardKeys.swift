import Documents
import Quantities

/// The keys of one reward rule in a run file: `{rule: exact, weight: 1}`, `{command: ./grade}`.
public struct RewardKeys: KeySet {
  public init() {}

  public let rule = Key(
    "rule", .choice(RewardRules.Name.self), otherwise: "the command judges",
    "What judges a completion.")
  public let command = Key(
    "command", Expected<[String]>.words, otherwise: "the rule judges",
    "A program that judges, or a list of it and its arguments: one JSON table a line in, `prompt`, "
      + "`completion` and the prompt's other fields; one line out for each, a number or "
      + "`{\"reward\": NUMBER}`.")
  public let name = Key(
    "name", .string, otherwise: "the rule's, or the command's",
    "Under which name the log has the rewards of this rule.")
  public let weight = Key(
    "weight", .number(in: -1e6...1e6), default: 1,
    "What the rule's reward is multiplied by before all are added.")
  public let field = Key(
    "field", .string, default: "answer",
    "The prompt's field with the right answer (exact, number, json-values, json-order, table).")
  public let after = Key(
    "answer-after", .string, otherwise: "the whole completion",
    "The text behind whose last occurrence the answer stands; without it there is no answer (exact, "
      + "number, pattern, json-…, table).")
  public let tag = Key(
    "answer-tag", .string, otherwise: "the whole completion",
    "The name of the tag whose last occurrence, <name>…</name>, holds the answer (as answer-after; beside it, in what stands "
      + "behind that text)."
  )
  public let tolerance = Key(
    "tolerance", .number(), default: 0,
    "How far the number may be from the right one r: tolerance · max(1, |r|); with 0 every digit "
      + "counts (number).")
  public let pattern = Key(
    "pattern", .string, otherwise: "required with rule: pattern",
    "A regular expression in ICU's syntax; given up after a million steps (pattern).")
  public let match = Key(
    "match", .choice(PatternRule.Extent.self), default: .whole,
    "Whether the whole answer must match or some part of it (pattern).")
  public let schema = Key(
    "schema", JSONSchema.expected, otherwise: "required with rule: json-fits",
    "type, properties, required, additionalProperties, items, minItems, maxItems, enum, as in JSON "
      + "Schema (json-fits).")
  public let tags = Key(
    "tags", .list(of: .string, count: 1...64), otherwise: "required with rule: tags",
    "Texts that the completion must have, each once, in this order, the first at its beginning (tags)."
  )
  public let script = Key(
    "script", .choice(LanguageRule.Script.self), otherwise: "the prompt's field script",
    "The script whose share among the letters is the reward (language).")
  public let minimum = Key(
    "minimum", .integer(), default: 0, "Characters that a completion must have (length).")
  public let maximum = Key(
    "maximum", .integer(), otherwise: "required with rule: length",
    "Characters (Unicode scalars) that a completion may have (length).")
  public let slack = Key(
    "slack", .integer(in: 0...1 << 30), default: 0,
    "Characters beyond the maximum over which the reward falls evenly: with so many it is 0 "
      + "(length).")
  public let timeLimit = Key(
    "time-limit", .number(in: 0.01...86_400), default: 10,
    "Seconds that the command has for all completions of one call; then it is ended with its "
      + "children (command).")
  public let memoryLimit = Key(
    "memory-limit", .quantity(in: ByteCount(1 << 20)...ByteCount(1 << 50)),
    default: ByteCount(2 << 30),
    "Memory that the command and each of its children may have (command).")
  public let fileLimit = Key(
    "file-limit", .quantity(in: ByteCount(512)...ByteCount(1 << 50)), default: ByteCount(1 << 30),
    "How large each file may become that the command or a child of it writes (command).")
}

extension Expected where Value == [String] {
  /// One text, or a list of them that is not empty.
  fileprivate static var words: Expected {
    Expected<String>.text("program").map { [$0] }.or(list: .list(of: .string, count: 1...256))
  }
}
