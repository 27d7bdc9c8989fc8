import Testing
import Training

/// mpirun's words and those of ranks, told apart.
@Suite struct LauncherWordsTests {
  private static let frame = String(repeating: "-", count: 74)
  private static let text = """
    [node:4711] mca_base_component_repository_open: unable to open mca_btl_openib
    [node:4711] plm:rsh: Warning: setpgid(5066,5066) failed in parent with errno=Permission denied(13)
    note: a rank's own line
    \(frame)
    Primary job terminated normally, but 1 process returned
    a non-zero exit code. Per user-direction, the job has been aborted.
    sluice: rank 1: /out: cannot be written: No space left on device
    \(frame)
    mpirun: Forwarding signal 10 to job
    [a list that a rank prints]

    """

  /// However the bytes come.
  @Test(arguments: [1, 7, 64, 100_000]) func linesAreTold(size: Int) {
    var words = LauncherWords()
    var passed: [UInt8] = []
    let bytes = Array(Self.text.utf8)
    for start in stride(from: 0, to: bytes.count, by: size) {
      passed += words.take(bytes[start..<min(start + size, bytes.count)])
    }
    #expect(
      String(decoding: passed, as: UTF8.self) == """
        note: a rank's own line
        sluice: rank 1: /out: cannot be written: No space left on device
        [a list that a rank prints]

        """)
    let held = String(decoding: words.held, as: UTF8.self).split(separator: "\n")
    // What mpirun itself ignores is not repeated.
    #expect(held.count == 6 && !held.contains { $0.contains("setpgid") })
    #expect(
      held.first?.hasPrefix("[node:4711]") == true && held.last?.hasPrefix("mpirun: ") == true)
    #expect(words.takeRest().isEmpty)
  }

  @Test func aLineWithoutAnEndIsKept() {
    var words = LauncherWords()
    #expect(words.take("cut".utf8).isEmpty)
    #expect(words.takeRest() == Array("cut".utf8))
  }
}
