/* A program that could supervise, with a state of another version than this one's. */
#include "gen/upgrade_state.h"
#include "molt.h"

int mo_upgrade_version = 999;

int main(void)
{
	return molt_wait();
}
