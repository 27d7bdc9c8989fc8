import Documents
import Testing

import Launchers

/// Scripts are read as a shell would run them, and nothing of them runs.
@Suite struct ShellTests {
  private func commands(
    _ text: String, _ definitions: [String: String] = [:]
  ) throws -> [[String]] {
    try ShellScript(text, file: "run.sh", definitions: definitions).commands
      .map { $0.map(\.text) }
  }

  @Test func variablesArraysAndDefaultsAreExpanded() throws {
    let text = """
      TP=${TP:-8}; NODES="16" # a comment
      export WORLD=$((NODES * 8))
      ARGS=(--a 1 \\
        "--b 2"  # inside
        '--c $X')
      ARGS+=(--d ${NODES})
      launch ${ARGS[@]} --tp $TP "$WORLD" --e=${UNSET} '' $(rm -rf /) `date`
      """
    #expect(
      try commands(text) == [
        [
          "launch", "--a", "1", "--b", "2", "--c", "$X", "--d", "16", "--tp", "8", "128",
          "--e=${UNSET}", "", "$(rm -rf /)", "$(date)",
        ]
      ])
    #expect(try commands("echo $TP", ["TP": "4"]) == [["echo", "4"]])
  }

  @Test func wordsKeepTheLinesOfTheirArray() throws {
    let script = try ShellScript("A=(\n--x\n--y 2\n)\nrun ${A[@]} z", file: "run.sh")
    #expect(script.commands[0].map(\.line) == [5, 2, 3, 3, 5])
  }

  @Test func branchesAreTakenWhereTheyCanBeDecided() throws {
    let text = """
      MODE=fp8
      if [[ "$MODE" == "bf16" ]]; then X=1; elif [ $MODE = fp8 ] && [ 3 -gt 2 ]; then X=2; else X=3; fi
      case $MODE in bf16) Y=1;; fp8|mx) Y=2 ;; *) Y=3;; esac
      [ -n "$NOBODY" ] && X=9
      [ -z "$NOBODY" ] && Z=1
      run $X $Y $Z
      """
    #expect(try commands(text) == [["run", "2", "2", "1"]])
  }

  /// What only a branch sets that is not taken is nothing to a shell, in a text and as a word of its own.
  @Test func whatABranchNotTakenSetsIsEmpty() throws {
    let text = """
      AC=none
      if [ $AC = full ]; then more="--recompute full"; elif [ $AC = sel ]; then other=1; fi
      case $AC in full) layers="--layers 1";; none) sp="--sp";; esac
      [ $AC = full ] && extra=(--extra)
      all="--tp 2 ${more} ${sp}"
      run $all ${more} $layers ${extra[@]} $extra ${UNSET} --last
      """
    #expect(try commands(text) == [["run", "--tp", "2", "--sp", "${UNSET}", "--last"]])
    // A default goes before, and so does what is set from outside.
    #expect(
      try commands("if false; then X=1; fi\nrun ${X:-3}") == [["run", "3"]])
    #expect(try commands("if false; then X=1; fi\nrun $X", ["X": "4"]) == [["run", "4"]])
  }

  /// What is evaluated loses the backslashes that guarded its bars and brackets.
  @Test func evaluatedTextIsReadOnceMore() throws {
    let text = "CMD=\"run --layout 'Et\\|\\(tt\\|\\)*3L'\"\neval $CMD"
    #expect(try commands(text) == [["eval", "run", "--layout", "'Et|(tt|)*3L'"]])
  }

  @Test func optionsThatNobodyCanDecideAreRefusedWithTheirLine() throws {
    for text in [
      "if [ -f x ]; then\nA=(--tensor-model-parallel-size 8)\nfi",
      "for i in 1 2; do\nrun --num-layers $i\ndone",
      "case $X in\n1) A=(--swiglu);;\nesac",
    ] {
      let error = #expect(throws: ConfigurationError.self) { try commands(text) }
      #expect(error?.line == 2 && error?.rule.contains("--define") == true, "\(text)")
    }
    #expect(try commands("if [ -f x ]; then exit; fi\nrun") == [["run"]])
  }

  @Test(arguments: [
    "A=(", "\"", "'", "if true", "case x in", "while true; do", "${", "$((", "`",
    String(repeating: "if true; then ", count: 200), String(repeating: "$(", count: 1000),
  ])
  func brokenScriptsAreOneError(_ text: String) {
    do { _ = try commands(text) } catch { #expect(error is ConfigurationError, "\(error)") }
  }

  @Test func arithmeticIsTheShells() {
    func value(_ text: String) -> Int? {
      ShellArithmetic.value(of: text) { ["A": "6", "B": "four"][$0] }
    }
    #expect(value("$A * (2 + 3) % 7 - ${A}/4") == 1)
    for text in ["B+1", "C", "1/0", "1+", "(1", "9223372036854775807+1", ""] {
      #expect(value(text) == nil, "\(text)")
    }
  }

  @Test func listsAreReadAndNotEvaluated() {
    #expect(ListExpression.list("([0]*3+[1]*2)*2") == [0, 0, 0, 1, 1, 0, 0, 0, 1, 1])
    #expect(ListExpression.list("[1, 0,]") == [1, 0])
    for text in ["3", "[1]*", "[x]", "[1]*99999999", "__import__('os')", "[1]+2", ""] {
      #expect(ListExpression.list(text) == nil, "\(text)")
    }
  }

  @Test func layoutsUnrollAndRollUp() throws {
    let layout = try #require(PipelineLayout("Et|(tt|)*30mL"))
    #expect(layout.stages.count == 32 && layout.count("t") == 61)
    #expect(layout.unitCounts == .init(repeating: 2, count: 32))
    #expect(layout.text == "Et|(tt|)*30mL")
    #expect(PipelineLayout("E,t*3|(t|)*2,m|L")?.stages == ["Ettt", "t", "t", "m", "L"])
    #expect(PipelineLayout("E|t*0|L")?.stages == ["E", "", "L"])
    for text in ["Ex|L", "(t", "t)", "(t|)*", "t*9999999999", "((t))*2"] {
      #expect(PipelineLayout(text) == nil, "\(text)")
    }
    for stages in [["Et", "L"], ["Ett", "tt", "tt", "tt", "tmL"], ["E", "", "", "", "tL"]] {
      #expect(PipelineLayout(PipelineLayout(stages: stages).text)?.stages == stages)
    }
  }
}
