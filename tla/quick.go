package main

import "time"

// quickTurns is how many quick runs check each broken variant once.
const quickTurns = 5

// today is the turn of a quick run that names none: it changes every day.
func today() int { return int(time.Now().Unix() / (24 * 60 * 60)) }

// quickJobs selects what a quick run checks: each module once, under the small configuration that
// takes every action, and every fifth broken variant, others at the next turn.
func quickJobs(jobs []Job, turn int) []Job {
	var quick []Job
	variants := 0
	for _, job := range jobs {
		if job.Guard == nil {
			if job.Actions {
				quick = append(quick, job)
			}
			continue
		}
		if variants%quickTurns == turn%quickTurns {
			quick = append(quick, job)
		}
		variants++
	}
	return quick
}
