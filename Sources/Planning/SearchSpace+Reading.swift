import Clusters
import Documents
import Models
import Plans
import Quantities

/// Alternatives of a value as the command line lists them.
public enum Alternatives {
  /// The parts between commas outside of brackets and quotes, a unit behind the last number for all of them:
  /// `1,2,4`, `[rms-norm, swiglu],full`, `100,200 GB/s`.
  public static func split(_ text: String) -> [String] {
    var parts = [""]
    var depth = 0
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "\"" || character == "'" {
        quote = character
      } else if "[{".contains(character) {
        depth += 1
      } else if "]}".contains(character) {
        depth -= 1
      } else if character == ",", depth == 0 {
        parts.append("")
        continue
      }
      parts[parts.count - 1].append(character)
    }
    parts = parts.map { trimmed($0) }
    guard parts.count > 1, let last = parts.last, let space = last.firstIndex(of: " "),
      Double(last[..<space]) != nil, parts.dropLast().allSatisfy({ Double($0) != nil })
    else { return parts }
    return parts.dropLast().map { $0 + last[space...] } + [last]
  }

  private static func trimmed(_ text: String) -> String {
    let start = text.drop { $0 == " " }
    return String(start.reversed().drop { $0 == " " }.reversed())
  }
}

/// What the command line says of a space.
public struct SearchSettings: Sendable {
  /// Keys of plan files with their alternatives: `tensor-parallel=2,4`.
  public var listed: [String] = []
  /// Alternatives that are taken out: `schedule=gpipe,zb-1p`.
  public var excluded: [String] = []
  /// Sequences in a step, and tokens in a sequence, where `listed` does not say.
  public var globalBatch: Int?
  public var sequenceLength: Int?
  public var framework = SearchFramework.any

  public init() {}
}

extension SearchSpace {
  /// The grid for a model on so many devices of a cluster.
  ///
  /// - Throws: `ConfigurationError` with the text that cannot be used, and the rule.
  public init(
    _ settings: SearchSettings, devices: Int, for architecture: Architecture, on cluster: Cluster
  ) throws(ConfigurationError) {
    let reader = try SpaceReader(settings, architecture)
    let bases = try reader.bases()
    self.init(
      bases: bases, devices: devices, for: architecture, on: cluster,
      framework: settings.framework)
    for (key, values) in reader.listed {
      guard let known = SearchKey(rawValue: key) else { continue }
      list(known, of: try reader.plans(key, values))
    }
    settleRecomputation(listed: Set(reader.listed.map(\.key)))
    for text in settings.excluded {
      let (key, values) = try SpaceReader.parts(of: text, option: "--exclude")
      guard let known = SearchKey(rawValue: key) else {
        throw ConfigurationError(
          file: "--exclude", value: text, rule: "the grid has no such dimension",
          suggestion: nearestName(to: key, among: SearchKey.allCases.map(\.rawValue)))
      }
      guard exclude(known, of: try reader.plans(excluded: key, values)) else {
        throw ConfigurationError(
          file: "--exclude", value: text, rule: "the grid does not have all of these alternatives")
      }
    }
    for (key, values) in lines
    where values.isEmpty && (key != SearchKey.recompute.rawValue || recomputedLayers == []) {
      guard reader.listed.contains(where: { $0.key == key && $0.values == ["null"] }) else {
        throw ConfigurationError(
          file: "--exclude", value: key, rule: "leaves no alternative of \(key)")
      }
      throw ConfigurationError(
        file: "--set", value: "plan.\(key)=null",
        rule: "is no alternative of \(key): leave it out for those that the grid has")
    }
  }
}

extension SearchSpace {
  /// Where one of the two keys of recomputation is listed, the other has no alternatives of its own; where layers
  /// stand beside `full` alone, they say of how many it is.
  private mutating func settleRecomputation(listed: Set<String>) {
    let hasLayers = listed.contains(SearchKey.recomputedLayers.rawValue)
    let hasExtents = listed.contains(SearchKey.recompute.rawValue)
    if hasLayers {
      if !hasExtents || recomputations == [.full] { recomputations = [] }
    } else if hasExtents {
      recomputedLayers = []
    }
  }
}

/// Reads plans with one setting replaced, by the rules of plan files.
private struct SpaceReader {
  let settings: SearchSettings
  let architecture: Architecture
  /// Keys with their alternatives, in the order in which they were given.
  private(set) var listed: [(key: String, values: [String])] = []

  init(_ settings: SearchSettings, _ architecture: Architecture) throws(ConfigurationError) {
    self.settings = settings
    self.architecture = architecture
    for text in settings.listed {
      let (key, values) = try Self.parts(of: text, option: "--set")
      listed.removeAll { $0.key == key }
      listed.append((key, values))
    }
  }

  static func parts(
    of text: String, option: String
  ) throws(ConfigurationError) -> (key: String, values: [String]) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      throw ConfigurationError(
        file: option, value: text, rule: "expected plan.key=alternative,alternative,…")
    }
    let values = Alternatives.split(String(text[text.index(after: equals)...]))
    guard !values.contains("") else {
      throw ConfigurationError(file: option, value: text, rule: "an alternative is empty")
    }
    return (String(text[..<equals]), values)
  }

  /// A plan for every combination of alternatives of keys that the grid does not vary.
  func bases() throws(ConfigurationError) -> [Plan] {
    // What other keys need to be read: the first alternative of each key of the grid.
    let alone: Set<SearchKey> = [.shardingGroup, .recomputedLayers]
    let grid = listed.compactMap { key, values -> String? in
      guard let known = SearchKey(rawValue: key), !alone.contains(known) else { return nil }
      return "\(key)=\(values[0])"
    }
    var choices: [[String]] = [[]]
    for (key, values) in listed where SearchKey(rawValue: key) == nil {
      choices = choices.flatMap { choice in values.map { choice + ["\(key)=\($0)"] } }
      guard choices.count <= 256 else {
        throw ConfigurationError(
          file: "--set", value: key, rule: "more than 256 combinations of keys outside the grid")
      }
    }
    var plans: [Plan] = []
    for choice in choices { plans.append(try base(grid + choice)) }
    return distinct(plans.map { plain($0) })
  }

  /// A plan with these keys; where one of them acts only beside copies, or where these divide parameters, beside
  /// such.
  ///
  /// - Throws: what the keys break beside copies, if nothing helps.
  private func base(_ overrides: [String]) throws(ConfigurationError) -> Plan {
    if let plan = try? read(overrides, isBase: true) { return plan }
    let said = Set(overrides.map { String($0.prefix { $0 != "=" }) })
    func unsaid(_ key: String, _ value: Int) -> [String] {
      said.contains(key) ? [] : ["\(key)=\(value)"]
    }
    let copied = overrides + unsaid("data-parallel", 2)
    let divided = copied + unsaid("zero-stage", 3)
    if let plan = try? read(divided, isBase: true) { return plan }
    return try read(copied, isBase: true)
  }

  /// What the grid varies as a plan has it that does not say.
  private func plain(_ plan: Plan) -> Plan {
    var plan = plan
    plan.dispatcher = nil
    plan.communicationSMs = nil
    plan.overlap.tensorExchange = nil
    plan.overlap.expertExchange = nil
    plan.shardingGroup = nil
    plan.sequenceParallel = false
    plan.tensorParallel = 1
    plan.contextParallel = 1
    plan.pipelineParallel = 1
    plan.dataParallel = 1
    plan.expertParallel = 1
    plan.expertTensorParallel = 1
    plan.stagesPerRank = 1
    plan.schedule = .named("1f1b")
    plan.layout = .even
    plan.zeroStage = .nothing
    plan.recomputation = .none
    plan.microbatchSize = 1
    return plan
  }

  /// A plan for each alternative of a key of the grid.
  func plans(_ key: String, _ values: [String]) throws(ConfigurationError) -> [Plan] {
    var plans: [Plan] = []
    for value in values {
      var overrides = ["\(key)=\(value)"]
      // A group of ranks divides something among so many of them.
      if SearchKey(rawValue: key) == .shardingGroup, Int(value) != nil {
        overrides += ["zero-stage=1", "data-parallel=\(value)"]
      }
      plans.append(try read(overrides, isBase: false))
    }
    return plans
  }

  /// The same of what is taken out, whose mistakes are that option's.
  func plans(excluded key: String, _ values: [String]) throws(ConfigurationError) -> [Plan] {
    do { return try plans(key, values) } catch {
      var error = error
      if error.file == "--set" { error.file = "--exclude" }
      throw error
    }
  }

  /// A plan with these keys beside what the command line says of all.
  private func read(_ overrides: [String], isBase: Bool) throws(ConfigurationError) -> Plan {
    var text = "name: search\n"
    for (key, option, value) in [
      ("global-batch", "--global-batch", settings.globalBatch),
      ("sequence-length", "--sequence", settings.sequenceLength),
    ] {
      let isSaid = overrides.contains { $0.hasPrefix("\(key)=") }
      if isBase, value == nil, !isSaid {
        throw ConfigurationError(file: "search", rule: "needs \(option), or --set plan.\(key)")
      }
      if let value, isSaid {
        throw ConfigurationError(
          file: option, value: "\(value)", rule: "--set plan.\(key) says it, too")
      }
      // What a key of the grid reads depends on neither.
      text += "\(key): \(value ?? 1)\n"
    }
    if architecture.feedForwards.contains(where: { $0.mixture != nil }) {
      text += "expert-load: {deviation: 0.075, seed: 1}\n"
    }
    if architecture.family == .deepseekV3 { text += "precision: fp8-deepseek\n" }
    let plan = try Plan.read(
      Document(text: text, name: "--set"), name: "search", overrides: overrides)
    guard plan.documents == nil else {
      throw ConfigurationError(
        file: "--set", keyPath: "documents",
        rule: "search bounds plans by attention over whole sequences: leave it out, and simulate "
          + "the best plans with it")
    }
    return plan
  }
}
