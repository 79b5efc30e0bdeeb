//! What a machine may refuse to buildah. Each reason is recognised by words that nothing but that refusal brings.

const REFUSED: &str = "operation not permitted";

/// Why this machine does not let buildah run anything in a container; none if something else is wrong.
pub fn reason(said: &str) -> Option<&'static str> {
    said.lines().find_map(reason_of_line)
}

fn reason_of_line(line: &str) -> Option<&'static str> {
    let refused = line.contains(REFUSED);
    match line {
        // Written by buildah's own C code, whatever the kernel's reason: a limit of none, a filter, or no such feature.
        _ if line.starts_with("Error during unshare(CLONE_NEWUSER): ") => {
            Some("this user is not root, and the kernel gives it no user namespace")
        }
        _ if refused && (line.contains("/uid_map: ") || line.contains("/gid_map: ")) => {
            Some("this user may not map other users' ids into a user namespace")
        }
        _ if refused && line.contains("chrooting to directory ") => Some("this sandbox forbids chroot"),
        _ if line.contains(&format!("error setting supplemental groups list: {REFUSED}")) => {
            Some("this user has no ids to give to a container (a range in /etc/subuid and /etc/subgid)")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As buildah 1.28 says them where capabilities, user namespaces or ranges of ids are missing.
    #[test]
    fn a_machine_that_forbids_containers_is_recognised() {
        for (said, part) in [
            (
                "Error during unshare(CLONE_NEWUSER): No space left on device\n\
                 User namespaces are not enabled in /proc/sys/user/max_user_namespaces.\n\
                 time=\"2026-01-01T00:00:00Z\" level=error msg=\"parsing PID \\\"\\\"\"\n",
                "no user namespace",
            ),
            ("Error during unshare(CLONE_NEWUSER): Operation not permitted\n", "no user namespace"),
            (
                "level=error msg=\"writing \\\"0 0 4294967295\\\\n\\\" to /proc/7/uid_map: write /proc/7/uid_map: \
                 operation not permitted\"\nlevel=error msg=\"(Unable to determine exit status)\"\n",
                "may not map",
            ),
            (
                "Error: building at STEP \"COPY root /\": checking on sources under \"/x\": error in copier \
                 subprocess: chrooting to directory \"/x\": operation not permitted\n",
                "forbids chroot",
            ),
            (
                "level=warning msg=\"Found no UID ranges set aside for user \\\"nobody\\\" in /etc/subuid.\"\n\
                 error setting supplemental groups list: operation not permittedsubprocess exited with status 1\n",
                "no ids to give",
            ),
        ] {
            assert!(reason(said).is_some_and(|reason| reason.contains(part)), "{said}");
        }
    }

    #[test]
    fn whatever_else_goes_wrong_is_not_forgiven() {
        for said in [
            "",
            "Error: creating build container: docker.io/library/rust:1: image not known\n",
            "Error: building at STEP \"RUN cargo build --release --locked\": exit status 101\n",
            "error: failed to open /cargo/registry: operation not permitted\n",
            "Error: mkdir /storage/root: permission denied\n",
            "Error: writing blob: no space left on device\n",
            "Found no UID ranges set aside for user \"nobody\" in /etc/subuid.\n",
            "chrooting to directory \"/x\": no such file or directory\n",
            "the Dockerfile says: Error during unshare(CLONE_NEWUSER): x\n",
        ] {
            assert_eq!(reason(said), None, "{said}");
        }
    }
}
