#!/bin/sh
# Releases a version by weir from a pipeline, and waits for the outcome. It needs
# a POSIX shell and the weir binary; nothing is downloaded.
#
#   release.sh run         start the rollout, follow it, say how it ended
#   release.sh cancelled   for a pipeline that was cancelled: abort it, if asked
#
# All it is told comes from the environment:
#
#   WEIR_CONTROL     address of the control API
#   WEIR_TOKEN       its token, of role operator (or WEIR_CERT and WEIR_KEY; WEIR_CA)
#   WEIR_PLAN        file with the Rollout document; default weir-rollout.yaml
#   WEIR_SERVICE     the service, in place of the document's
#   WEIR_VERSION     the candidate, in place of the document's
#   WEIR_ENDPOINTS   its addresses, with commas or spaces between: they make it a
#                    version of the service; empty: the service has it already
#   WEIR_REVISION    what tells builds of one name apart, a digest say; with WEIR_ENDPOINTS
#   WEIR_ON_CANCEL   leave (default): the rollout goes on without the pipeline;
#                    abort: its traffic goes back to stable
#   WEIR_BIN         the binary; default weir, looked up in PATH
#   WEIR_SUMMARY     file that a summary in Markdown is added to; default none
#   WEIR_OUTPUT      file that weir_rollout_id= and weir_rollout_phase= are added to;
#                    default none
#   WEIR_ROLLOUT     file that keeps the rollout's id for `cancelled`; default .weir-rollout
#
# It ends with 0 if the candidate became stable, 1 if it did not or was refused, 2
# if it was told nonsense, 3 if the control API cannot be reached, 130 if it was
# cancelled.
#
# Threat: a branch's name or a version may be written by anybody. No value is ever
# evaluated, each is one argument, and what weir prints is no command to the runner.
set -u

plan=${WEIR_PLAN:-weir-rollout.yaml}
weir=${WEIR_BIN:-weir}
kept=${WEIR_ROLLOUT:-.weir-rollout}
on_cancel=${WEIR_ON_CANCEL:-leave}
id=
watching= # process id of the watch
cancelled=
word= # that ends stop-commands

say() { printf '%s\n' "weir: $*"; }

# quiet_runner keeps GitHub's runner from taking lines of the log for commands,
# until the word is said that nobody else knows.
quiet_runner() {
	[ "${GITHUB_ACTIONS:-}" = true ] || return 0
	word=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	printf '::stop-commands::%s\n' "$word"
}

hear_runner() {
	[ -z "$word" ] || printf '::%s::\n' "$word"
	word=
}

# fail says what went wrong, as an annotation where there are some, and ends.
fail() {
	code=$1
	shift
	if [ "${GITHUB_ACTIONS:-}" = true ]; then
		printf '::error title=weir::%s\n' "$(printf '%s' "$*" | tr '\r\n' '  ' | sed 's/%/%25/g')"
	else
		say "$*" >&2
	fi
	exit "$code"
}

# ask runs weir so that nothing it prints is a command.
ask() {
	quiet_runner
	"$weir" "$@" 2>&1
	asked=$?
	hear_runner
	return "$asked"
}

need_weir() {
	command -v "$weir" >/dev/null 2>&1 ||
		fail 2 "there is no program \"$weir\": put the weir binary into PATH before this step, or name it with WEIR_BIN"
	case $on_cancel in
	leave | abort) ;;
	*) fail 2 "there is no WEIR_ON_CANCEL \"$on_cancel\": write leave or abort" ;;
	esac
}

# start starts the rollout and keeps its id.
start() {
	set -- rollout start -o json "--file=$plan" "--service=${WEIR_SERVICE:-}" "--to=${WEIR_VERSION:-}" "--revision=${WEIR_REVISION:-}"
	endpoints=$(printf '%s' "${WEIR_ENDPOINTS:-}" | tr -s ', \t\r\n' '[,*]' | sed 's/^,//; s/,$//')
	[ -z "$endpoints" ] || set -- "$@" "--endpoint=$endpoints"
	if [ -n "${GITHUB_ACTIONS:-}" ]; then
		repository="${GITHUB_SERVER_URL:-}/${GITHUB_REPOSITORY:-}"
		set -- "$@" "--meta=by=${GITHUB_ACTOR:-}" "--meta=via=GitHub Actions" \
			"--meta=run=$repository/actions/runs/${GITHUB_RUN_ID:-}" "--meta=commit=$repository/commit/${GITHUB_SHA:-}"
	elif [ -n "${GITLAB_CI:-}" ]; then
		set -- "$@" "--meta=by=${GITLAB_USER_LOGIN:-}" "--meta=via=GitLab CI" \
			"--meta=run=${CI_JOB_URL:-}" "--meta=commit=${CI_PROJECT_URL:-}/-/commit/${CI_COMMIT_SHA:-}"
	fi
	refusal=$(mktemp) || fail 1 "cannot make a temporary file"
	reply=$("$weir" "$@" 2>"$refusal")
	code=$?
	why=$(cat "$refusal")
	rm -f "$refusal"
	id=$(printf '%s\n' "$reply" | sed -n 's/^  "id": "\([A-Za-z0-9._-]*\)",*$/\1/p')
	if [ -z "$id" ]; then
		[ -z "$cancelled" ] || fail 130 "cancelled before the rollout's id was known; \`weir rollout list\` tells whether it began"
		[ "$code" -ne 0 ] || code=1
		why=${why#weir: }
		summarise "No rollout was started" "$why"
		fail "$code" "the rollout was not started: ${why:-weir did not say its id}"
	fi
	printf '%s\n' "$id" >"$kept"
	[ -z "${WEIR_OUTPUT:-}" ] || printf 'weir_rollout_id=%s\n' "$id" >>"$WEIR_OUTPUT"
	say "started $id"
}

# follow watches the rollout, in the background so that a signal is heard at once.
follow() {
	quiet_runner
	"$weir" rollout watch "$id" &
	watching=$!
	wait "$watching"
	outcome=$?
	watching=
	hear_runner
	return "$outcome"
}

phase() { "$weir" rollout status "$id" -o json 2>/dev/null | sed -n 's/^  "phase": "\([a-z_]*\)",*$/\1/p'; }

# summarise adds a heading and a text to the summary. The text is indented, so that
# nothing in it is Markdown.
summarise() {
	[ -n "${WEIR_SUMMARY:-}" ] || return 0
	{
		printf '### %s\n\n' "$1"
		printf '%s\n' "$2" | head -c 60000 | sed 's/^/    /'
		printf '\n'
	} >>"$WEIR_SUMMARY"
}

# give_back aborts the rollout if that was asked for. One that is over is left.
give_back() {
	if [ "$on_cancel" = leave ]; then
		say "cancelled; $id goes on by itself: \`weir rollout status $id\`"
		return
	fi
	if ask rollout abort "$id" --reason "the pipeline was cancelled"; then
		say "cancelled; $id was aborted"
		return
	fi
	case $(phase) in
	succeeded | rolled_back | aborted | failed | superseded) say "cancelled; $id was over already" ;;
	*) fail 1 "cancelled, and $id could not be aborted: it goes on; run \`weir rollout abort $id\`" ;;
	esac
}

interrupted() {
	trap '' INT TERM HUP # once
	if [ -n "$watching" ]; then
		kill "$watching" 2>/dev/null
		wait "$watching"
	fi
	hear_runner
	give_back
	rm -f "$kept"
	exit 130
}

run() {
	need_weir
	rm -f "$kept"
	trap 'cancelled=yes' INT TERM HUP # the id must be known first
	start
	trap interrupted INT TERM HUP
	[ -z "$cancelled" ] || interrupted
	follow
	outcome=$?
	ended=$(phase)
	[ -z "${WEIR_OUTPUT:-}" ] || printf 'weir_rollout_phase=%s\n' "$ended" >>"$WEIR_OUTPUT"
	reasons=$("$weir" rollout why "$id" 2>&1)
	[ "$outcome" -eq 3 ] || rm -f "$kept"
	case $outcome in
	0)
		summarise "Rollout \`$id\`: $ended" "$reasons"
		say "$id: $ended"
		;;
	3)
		summarise "Rollout \`$id\`: lost sight of" "$reasons"
		fail 3 "the control API cannot be reached any more; $id goes on by itself: \`weir rollout watch $id\`"
		;;
	*)
		summarise "Rollout \`$id\`: ${ended:-not known}" "$reasons"
		quiet_runner
		printf '%s\n' "$reasons"
		hear_runner
		fail "$outcome" "$id: ${ended:-not known}: $(printf '%s\n' "$reasons" | head -n 2)"
		;;
	esac
}

case ${1:-run} in
run) run ;;
cancelled)
	[ -s "$kept" ] || exit 0
	id=$(head -n 1 "$kept" | tr -cd 'A-Za-z0-9._-')
	need_weir
	give_back
	rm -f "$kept"
	;;
*) fail 2 "there is no \"$1\": write run or cancelled" ;;
esac
