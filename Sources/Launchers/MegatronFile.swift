import Documents

/// Where Megatron's options stand: on command lines, in shell scripts, in the arguments that a run prints,
/// in tables of YAML and JSON.
enum MegatronFile {
  /// Whether a text is one of these.
  static func isScript(_ text: String) -> Bool {
    text.split(whereSeparator: \.isWhitespace).contains { word in
      // In quotes and in brackets, too.
      let bare = word.drop { "\"'(".contains($0) }
      return MegatronOptions.isKnown(String(bare.prefix { $0 != "\"" && $0 != ")" && $0 != "'" }))
    }
  }

  /// Whether a text holds the arguments that a run prints: `  num_layers ........... 12`.
  static func isLog(_ text: String) -> Bool {
    var count = 0
    for line in text.split(whereSeparator: \.isNewline) where printed(line) != nil {
      count += 1
      if count >= 5 { return true }
    }
    return false
  }

  /// The options of a shell script or of a bare list.
  static func script(
    _ text: String, file: String, _ settings: ImportSettings
  ) throws(ConfigurationError) -> [GivenOption] {
    let script = try ShellScript(text, file: file, definitions: settings.definitions)
    var best: [ShellScript.Word] = []
    var loose: [ShellScript.Word] = []
    // What a script prints in front of the launch is the launch before it is evaluated.
    func prints(_ command: [ShellScript.Word]) -> Bool {
      ["echo", "printf"].contains(command.first?.text)
    }
    for command in script.commands.filter({ !prints($0) }) + script.commands.filter(prints) {
      let words = unpacked(command)
      if words.first?.text.hasPrefix("--") == true {
        loose += words
      } else if count(words) > count(best) {
        best = words
      }
    }
    let program = MegatronProgram.option(in: best, file: file)
    var words = best + loose
    if count(words) == 0 {
      // No command here: arrays that another file puts together.
      words = script.arrays.map { unpacked($0.words) }
        .filter { $0.first?.text.hasPrefix("--") == true }.flatMap(\.self)
    }
    var options = batch(text, file: file) + parsed(words, file: file)
    if let program { options.append(program) }
    if !options.contains(where: { $0.name == "nproc-per-node" || $0.name == "world-size" }),
      let world = script.value("WORLD_SIZE"), Int(world) != nil
    {
      options.append(
        GivenOption(
          name: "world-size", spelling: "WORLD_SIZE", values: [world], file: file, line: nil))
    }
    return options
  }

  private static func count(_ words: [ShellScript.Word]) -> Int {
    words.count { MegatronOptions.isKnown($0.text) }
  }

  /// Words that hold a command of their own (`bash -c "…"`, `eval $CMD`) cut into its words.
  private static func unpacked(_ words: [ShellScript.Word]) -> [ShellScript.Word] {
    words.flatMap { word -> [ShellScript.Word] in
      let parts = word.text.split(whereSeparator: \.isWhitespace)
      guard parts.count > 1, parts.contains(where: { MegatronOptions.isKnown(String($0)) }) else {
        return [word]
      }
      // Lines that are continued within quotes keep their backslashes.
      return parts.filter { $0 != "\\" }.map { part in
        ShellScript.Word(text: part.filter { $0 != "'" && $0 != "\"" }, line: word.line)
      }
    }
  }

  /// Options with the words behind each.
  private static func parsed(_ words: [ShellScript.Word], file: String) -> [GivenOption] {
    var options: [GivenOption] = []
    var isOpen = false
    for word in words {
      let text = word.text
      let isLong = text.hasPrefix("--") && text.count > 2
      // srun's short options; `-1` is a value.
      let isShort = text.hasPrefix("-") && text.count >= 2 && !isLong && Double(text) == nil
      if isLong || isShort {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        let own = isLong ? parts[0] : shortName(parts[0])
        isOpen = isLong || own != parts[0]
        guard isOpen else { continue }
        let value = parts.count > 1 ? [parts[1]] : []
        let (name, values) = MegatronOptions.canonical(own, value)
        options.append(
          GivenOption(
            name: name, spelling: parts[0], values: values, file: file, line: word.line,
            written: value.first ?? ""))
      } else if [">", ">>", "2>", "&>", "2>&1"].contains(where: text.hasPrefix)
        || text.hasSuffix(".py") || ["torchrun", "python", "python3", "bash"].contains(text)
      {
        isOpen = false
      } else if isOpen, let last = options.popLast() {
        var option = last
        let before = option.values
        option.values.append(text)
        option.written = nil
        // An alias of a flag takes what stands behind it as its own value.
        let bare = String(option.spelling.drop { $0 == "-" }).replacing("_", with: "-")
        if MegatronOptions.aliases[bare]?.isFlag == true {
          (option.name, option.values) = MegatronOptions.canonical(option.spelling, [text])
          if before.count > 1 { option.values = before + [text] }
        }
        options.append(option)
      }
    }
    return options
  }

  private static func shortName(_ word: String) -> String { word == "-N" ? "--nodes" : word }

  /// What `#SBATCH` lines say of nodes.
  private static func batch(_ text: String, file: String) -> [GivenOption] {
    var options: [GivenOption] = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated() where line.hasPrefix("#SBATCH")
    {
      let words = line.dropFirst(7).split { $0 == " " || $0 == "=" || $0 == "\t" }.map(String.init)
      guard words.count >= 2, Int(words[1]) != nil else { continue }
      let names = ["-N": "nnodes", "--nodes": "nnodes", "--gpus-per-node": "nproc-per-node"]
      let tasks = words[0] == "--ntasks-per-node" && words[1] != "1"
      guard let name = names[words[0]] ?? (tasks ? "nproc-per-node" : nil) else { continue }
      options.append(
        GivenOption(
          name: name, spelling: words[0], values: [words[1]], file: file, line: index + 1))
    }
    return options
  }

  /// The name and the value of a printed argument.
  private static func printed(_ line: Substring) -> (name: String, value: String)? {
    // `[default0]:`, `0: ` and the like may stand in front.
    let words = line.split(separator: " ", omittingEmptySubsequences: true)
    guard let dots = words.firstIndex(where: { $0.count >= 3 && $0.allSatisfy { $0 == "." } }),
      dots > 0, let name = words[dots - 1].split(separator: ":").last,
      name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
    else { return nil }
    return (String(name), words[(dots + 1)...].joined(separator: " "))
  }

  /// The options that a run has printed.
  static func log(_ text: String, file: String) -> [GivenOption] {
    var options: [GivenOption] = []
    var seen: Set<String> = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      guard let (spelling, value) = printed(line), seen.insert(spelling).inserted else { continue }
      let (name, values) = MegatronOptions.canonical(spelling, [value])
      options.append(
        GivenOption(
          name: name, spelling: spelling, values: values, file: file, line: index + 1,
          written: value))
    }
    return options
  }
}
