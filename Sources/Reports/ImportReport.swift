import Documents
import Launchers
import Models

/// What an import made of a launcher's files: both files, and a line for each option.
public struct ImportReport: Encodable, Sendable {
  public var version = Version.current
  public var launcher: String
  public var name: String
  /// GPUs of the job.
  public var ranks: Int
  /// Parameters of the model.
  public var parameters: Int
  /// The model's `config.json` and the plan as tables.
  public var model: Document
  public var plan: Document
  public var options: [ExplainedOption]
  /// Why the plan cannot be simulated as it is; nil where it can.
  public var objection: String?
  /// Where both were written; nil where they were not.
  public var files: [String]?

  private let planText: String
  private let modelText: String

  private enum CodingKeys: String, CodingKey {
    case version, launcher, name, ranks, parameters, model, plan, options, objection, files
  }

  /// - Throws: `ConfigurationError` where the model or the plan does not read back.
  public init(_ job: ImportedJob, files: [String]? = nil) throws(ConfigurationError) {
    (launcher, name, ranks, options) = (job.launcher, job.name, job.ranks, job.options)
    objection = job.objection
    model = try Document(text: job.model, name: "config.json")
    plan = try Document(text: job.plan, name: "plan.yaml")
    parameters = try Architecture.read(model, name: job.name).parameterCounts.total
    (planText, modelText) = (job.plan, job.model)
    self.files = files
  }
}

extension ImportReport {
  /// The page: what it is, both files where they were not written, and every option by what it is.
  public var text: String {
    var facts = TextTable([.left, .left])
    facts.add("launcher", launcher)
    facts.add("model", "\(parameterText(parameters)) parameters")
    facts.add("GPUs", grouped(ranks))
    var text = "\(name)\n" + facts.text(width: 100)
    if files == nil {
      text += "\nconfig.json\n\n\(modelText)\nplan.yaml\n\n\(planText)"
    }
    for sense in ExplainedOption.Sense.allCases {
      let own = options.filter { $0.sense == sense }
      guard !own.isEmpty else { continue }
      text += "\n\(sense.words): \(counted(own.count, "option"))\n"
      text += sense == .costless ? Self.byReason(own) : Self.listed(own)
    }
    if let objection { text += "\nThe plan cannot be simulated as it is: \(objection).\n" }
    if let files {
      text += "\nWritten: \(files.joined(separator: ", ")).\n"
    } else {
      text += "\nNothing was written: --output FOLDER writes config.json and plan.yaml.\n"
    }
    return text
  }

  private static func listed(_ options: [ExplainedOption]) -> String {
    var table = TextTable([.right, .left, .left])
    for option in options {
      let value = option.value.count > 24 ? option.value.prefix(23) + "…" : option.value
      table.add(
        option.line.map { "\($0)" } ?? "", trimmed("\(option.option) \(value)"), option.meaning)
    }
    return table.text(width: 100)
  }

  /// Options without meaning by the reason, since there are many.
  private static func byReason(_ options: [ExplainedOption]) -> String {
    var reasons: [String] = []
    var names: [String: [String]] = [:]
    for option in options {
      if names[option.meaning] == nil { reasons.append(option.meaning) }
      names[option.meaning, default: []].append(option.option)
    }
    var table = TextTable([.left, .left])
    for reason in reasons {
      let short = reason.count > 40 ? reason.prefix(39) + "…" : reason
      table.add(short, (names[reason] ?? []).joined(separator: " "))
    }
    return table.text(width: 100)
  }
}
