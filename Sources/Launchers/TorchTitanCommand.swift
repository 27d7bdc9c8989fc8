import Documents

/// torchtitan's options on a command line: `--training.seq_len 4096`.
extension TorchTitanJob {
  /// The options of the launch in a script; none where nothing in it is torchtitan's.
  static func commandOptions(
    _ text: String, file: String, _ use: ImportUse
  ) throws(ConfigurationError) -> [GivenOption] {
    guard text.contains("--") else { return [] }
    let script = try ShellScript(text, file: file, use)
    let launches = script.commands.compactMap { words -> ScriptLaunch? in
      let options = options(of: words, file: file)
      guard let first = words.first, options.contains(where: { isOption($0.name) }) else {
        return nil
      }
      return ScriptLaunch(
        line: first.line, program: words.first { $0.text.hasSuffix(".py") }?.text,
        options: options, saysSizes: true
      ) { option in
        !["job.", "metrics.", "checkpoint.", "profiling."].contains(where: option.name.hasPrefix)
      }
    }
    guard let (launch, notes) = try ScriptLaunch.chosen(from: launches, file: file, use) else {
      return []
    }
    let arguments = script.emptyArguments.map { spelling, line in
      GivenOption(name: "script-arguments", spelling: spelling, values: [], file: file, line: line)
    }
    return launch.options + notes + [arguments].compactMap(\.self)
  }

  /// Options of a TOML and those of a command, which hold before it whatever file was named first.
  ///
  /// - Throws: `ConfigurationError` where the command names a TOML and there is none.
  static func joined(_ options: [GivenOption]) throws(ConfigurationError) -> [GivenOption] {
    let (typed, written) = (options.filter(\.isTyped), options.filter { !$0.isTyped })
    let isAlone = written.allSatisfy { !isOption($0.name) }
    if isAlone, let file = typed.last(where: { $0.name == "job.config_file" }) {
      throw ConfigurationError(
        file: file.file, line: file.line, keyPath: file.spelling, value: file.text,
        rule: "holds the settings of this job: import that file beside the script")
    }
    return written + typed
  }

  /// Whether a script starts torchtitan: `-m torchtitan.train`, `torchtitan/train.py`.
  static func isStarted(by text: String) -> Bool {
    text.split(whereSeparator: \.isWhitespace).contains { word in
      word.contains("torchtitan.train") || word.contains("torchtitan/train.py")
    }
  }

  /// What `torchrun` is told of ranks, by its spellings.
  private static let ranks = [
    "nproc_per_node": "nproc-per-node", "nproc": "nproc-per-node", "nnodes": "nnodes",
  ]

  private static func options(of words: [ShellScript.Word], file: String) -> [GivenOption] {
    var options: [GivenOption] = []
    var isOpen = false
    for word in words {
      let parts = word.text.split(separator: "=", maxSplits: 1).map(String.init)
      let name = String((parts.first ?? "").drop { $0 == "-" }).replacing("-", with: "_")
      if word.text.hasPrefix("--") {
        isOpen = isOption(name) || ranks[name] != nil
        guard isOpen else { continue }
        options.append(
          GivenOption(
            name: ranks[name] ?? canonical(name), spelling: parts[0],
            values: Array(parts.dropFirst()), file: file, line: word.line, isTyped: true))
      } else if isOpen, var last = options.popLast() {
        last.values.append(word.text)
        options.append(last)
        // Behind a number of ranks come `-m` and the program.
        isOpen = isOption(last.name)
      }
    }
    return options
  }
}
