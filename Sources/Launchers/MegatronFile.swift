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

  /// The options of a shell script or of a bare list.
  static func script(
    _ text: String, file: String, _ use: ImportUse
  ) throws(ConfigurationError) -> [GivenOption] {
    let script = try ShellScript(text, file: file, use)
    let header = SlurmRequest(header: text)
    var loose: [ShellScript.Word] = []
    var commands: [[ShellScript.Word]] = []
    // What a script prints in front of the launch is the launch before it is evaluated.
    var printed: [[ShellScript.Word]] = []
    for command in script.commands {
      let words = unpacked(command)
      if words.first?.text.hasPrefix("--") == true {
        loose += words
      } else if count(words) > 0 {
        if ["echo", "printf"].contains(command.first?.text) {
          printed.append(words)
        } else {
          commands.append(words)
        }
      }
    }
    var launches: [ScriptLaunch] = []
    for words in commands.isEmpty ? printed : commands {
      launches.append(try launch(words, header, file: file))
    }
    let chosen = try ScriptLaunch.chosen(from: launches, file: file, use)
    var own = try parsed(loose, file: file, isBehindProgram: true)
    if chosen == nil, count(loose) == 0 {
      // No command here: arrays that another file puts together.
      let words = script.arrays.map { unpacked($0.words) }
        .filter { $0.first?.text.hasPrefix("--") == true }.flatMap(\.self)
      own = try parsed(words, file: file, isBehindProgram: true)
    }
    let refusal =
      if let chosen { chosen.launch.refusal } else { header.refusal(file: file, launch: own) }
    // Whoever says how many GPUs there are need not be told by the file.
    if let refusal, use.settings.ranks == nil { throw refusal }
    let front = chosen?.launch.options ?? header.options(file: file, launch: own)
    var options = front + own + (chosen?.notes ?? [])
    if let (spelling, line) = script.emptyArguments {
      options.append(
        GivenOption(
          name: "script-arguments", spelling: spelling, values: [], file: file, line: line))
    }
    if !options.contains(where: { $0.name == "nproc-per-node" || $0.name == "world-size" }),
      let world = script.value("WORLD_SIZE"), Int(world) != nil
    {
      options.append(
        GivenOption(
          name: "world-size", spelling: "WORLD_SIZE", values: [world], file: file, line: nil))
    }
    return options
  }

  /// One command with what Slurm is asked for in front of it.
  private static func launch(
    _ words: [ShellScript.Word], _ header: SlurmRequest, file: String
  ) throws(ConfigurationError) -> ScriptLaunch {
    let end = MegatronProgram.index(in: words) ?? firstOwnOption(in: words) ?? words.count
    var request = header
    var front: [ShellScript.Word] = []
    var starter: String?
    for word in words[..<end] {
      let name = word.text.split(separator: "/").last.map(String.init) ?? ""
      if ["srun", "salloc", "sbatch", "mpirun", "mpiexec", "orterun"].contains(name) {
        starter = name
      }
      front.append(word)
    }
    if let starter, starter.hasPrefix("s") {
      front = request.take(front)
    } else if starter != nil {
      front = front.map { word in
        ["-n", "-np", "--np"].contains(word.text)
          ? ShellScript.Word(text: "--world-size", line: word.line) : word
      }
    }
    let program = MegatronProgram.option(in: words, file: file)
    let own =
      try parsed(front, file: file)
      + parsed(Array(words[end...]), file: file, isBehindProgram: true)
      + [program].compactMap(\.self)
    return ScriptLaunch(
      line: words[0].line, program: program?.text,
      options: request.options(file: file, launch: own) + own,
      refusal: request.refusal(file: file, launch: own),
      saysSizes: own.contains { sizes.contains($0.name) }
    ) { option in
      option.name != MegatronProgram.option && option.name != "slurm-request"
        && MegatronOptions.reason(of: option.name)?.sense != .costless
    }
  }

  /// Options that a job has and a program that prepares it mostly has not.
  private static let sizes: Set<String> = [
    "num-layers", "hidden-size", "micro-batch-size", "global-batch-size", "seq-length",
    "tensor-model-parallel-size", "pipeline-model-parallel-size", "hybrid-layer-pattern",
  ]

  /// Options that stand in front of a program.
  private static let launching: Set<String> = [
    "nproc-per-node", "nnodes", "node-rank", "master-addr", "master-port", "world-size", "gpus",
  ]

  /// The place of the first option that no launcher of processes takes.
  private static func firstOwnOption(in words: [ShellScript.Word]) -> Int? {
    words.firstIndex { word in
      guard MegatronOptions.isKnown(word.text) else { return false }
      let name = MegatronOptions.canonical(String(word.text.prefix { $0 != "=" }), []).name
      return MegatronOptions.read.contains(name) && !launching.contains(name)
    }
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
}
