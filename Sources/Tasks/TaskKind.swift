import Documents

/// A task that small models learn and that a program grades.
public enum TaskKind: String, CaseIterable, Hashable, Sendable {
  case digitSum = "digit-sum"
  case addition
  case sortDigits = "sort-digits"
  case tableCell = "table-cell"
  case tableExtreme = "table-extreme"
  case tableSum = "table-sum"
  case tableTranspose = "table-transpose"
  case tableSort = "table-sort"
  case jsonList = "json-list"
  case jsonTable = "json-csv"
  case jsonAdd = "json-add"
  case jsonSort = "json-sort"
  case jsonMend = "json-mend"
  case copy
  case language

  /// What kinds have in common, for comparisons.
  public enum Group: String, CaseIterable, Hashable, Sendable {
    case reasoning, tables
    case structured = "structured data"
    case copying, language
  }

  public var group: Group {
    switch self {
    case .digitSum, .addition, .sortDigits: .reasoning
    case .tableCell, .tableExtreme, .tableSum, .tableTranspose, .tableSort: .tables
    case .jsonList, .jsonTable, .jsonAdd, .jsonSort, .jsonMend: .structured
    case .copy: .copying
    case .language: .language
    }
  }

  /// How hard a question is: 1 or 2.
  public static let tiers = 1...2

  /// What is asked, for models that have not been trained on the task.
  public var instruction: String {
    switch self {
    case .digitSum:
      "Add the digits behind + and give the sum modulo 5. Write [, then, if you like, the sums modulo 5 "
        + "after each digit, then ], and behind it the answer, one digit: [344233]3."
    case .addition: "Give the sum of the two numbers, as digits only."
    case .sortDigits: "Give the digits behind < in ascending order, as digits only."
    case .tableCell:
      "Below is a table as CSV, and behind ? a row and a column. Give the cell there and nothing else."
    case .tableExtreme:
      "Below is a table as CSV, and behind ?> or ?< a column. Give the name of the row whose value in "
        + "that column is the largest for >, the smallest for <, and nothing else."
    case .tableSum:
      "Below is a table as CSV, and behind ?+ a column. Give the sum of the column and nothing else."
    case .tableTranspose:
      "Below is a table as CSV. Give the table with rows and columns exchanged, as CSV, and nothing else."
    case .tableSort:
      "Below is a table as CSV, and behind ?^ a column. Give the table with its rows in ascending order "
        + "of that column, as CSV, and nothing else."
    case .jsonList:
      "Turn the list of keys and values into one JSON object, keys in alphabetical order, and give "
        + "nothing else."
    case .jsonTable:
      "Turn the JSON list of objects into CSV with a head, columns in the order of the keys, and give "
        + "nothing else."
    case .jsonAdd:
      "Add the key and value behind + to the end of the JSON object, and give the object and nothing else."
    case .jsonSort:
      "Put the keys of the JSON object in alphabetical order, and give the object and nothing else."
    case .jsonMend:
      "The JSON object in front of ~ lacks one character. Give the mended object and nothing else."
    case .copy: "Give the text between the quotation marks, without them, and nothing else."
    case .language:
      "Write the digits as words, in English for en, in Greek for el, in Russian for ru, lower case, with "
        + "a space between words, and nothing else."
    }
  }
}

/// A question of a task with its right answer.
public struct TaskQuestion: Hashable, Sendable {
  public let kind: TaskKind
  /// 1 or 2.
  public let tier: Int
  /// What a model is given, without instruction; ends with `=`.
  public let text: String
  /// What is right.
  public let answer: String
  /// What may stand in front of the answer, for tasks with a scratchpad: the sums of digits.
  let working: String?
  /// Of the language that is asked for.
  let script: LanguageRule.Script?

  init(
    _ kind: TaskKind, tier: Int, text: String, answer: String, working: String? = nil,
    script: LanguageRule.Script? = nil
  ) {
    (self.kind, self.tier, self.text, self.answer) = (kind, tier, text, answer)
    (self.working, self.script) = (working, script)
  }

  /// The question as a prompt of a run, with the fields that rules ask for.
  public var prompt: TaskPrompt { prompt(instructing: false) }

  /// The question as a prompt, behind its instruction where that is wanted.
  public func prompt(instructing: Bool) -> TaskPrompt {
    var fields: [JSONValue.Entry] = [
      .init(key: "answer", value: .string(answer)),
      .init(key: "task", value: .string(kind.rawValue)), .init(key: "tier", value: .integer(tier)),
    ]
    if let script { fields.append(.init(key: "script", value: .string(script.rawValue))) }
    return TaskPrompt(
      text: instructing ? "\(kind.instruction)\n\n\(text)" : text, fields: .table(fields))
  }

  /// The right completion, with the scratchpad or without where the task has one.
  func completion(withWorking: Bool) -> String {
    guard let working else { return answer }
    return "[\(withWorking ? working : "")]\(answer)"
  }
}
